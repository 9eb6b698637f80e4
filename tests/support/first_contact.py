"""`doctor --readings` on a sandbox in this process, on the fake clock."""

from typing import Any

import httpx
from starlette.applications import Starlette

from proxy.commands.doctor.first_contact import Learnt, first_contact
from proxy.commands.doctor.upstream import NamedKey
from proxy.config.mappings import load_codes
from proxy.config.settings import Config, StoreConfig
from proxy.model import ClientKey
from proxy.sandbox import create_sandbox
from proxy.sandbox.report import Report
from proxy.sandbox.state.switches import Switches, switched
from proxy.sandbox.wire.replay import Replay
from tests.support.sockets import sockets_to
from tests.support.world import NEVER, SERVICES, Wire

KEY = "vsms_planted_key_of_alice"
CODES = load_codes()
FEW = {code: SERVICES[code] for code in ("fb", "ok", "tg", "vk", "wa", *list(SERVICES)[:30])}
"""The services on sale: a sandbox with all of them is slow to ask."""
AT_ONCE = Config(store=StoreConfig(url="sqlite://"))


async def contact(
    sandbox: Starlette, purchase: Any = None, said: list[str] | None = None, **how: Any
) -> Learnt:
    """What the command learns of the sandbox; `said` gets the lines it prints at once."""
    lines = [] if said is None else said
    account = NamedKey("upstream.api_key", ClientKey.of(how.pop("key", KEY)))
    config = how.pop("config", AT_ONCE)
    network = {"transport": Wire(sandbox), "connect": sockets_to(sandbox)} | how
    return await first_contact(config, CODES, account, purchase, lines.append, **network)


class Upstream:
    """A sandbox with orders of the account in many states."""

    def __init__(self, clock: Any, sms_after: float = NEVER, **switches: Any) -> None:
        report: Report | None = switches.pop("report", None)
        self.replay = Replay(report) if report else None
        readings = report.readings if report else {}
        self.switches = switched(Switches(), readings | switches)
        self.app = create_sandbox(
            self.switches, clock=clock, sms_after=sms_after, services=FEW, replay=self.replay
        )
        self.http = httpx.AsyncClient(transport=Wire(self.app), base_url="http://upstream")

    async def call(self, method: str, path: str, **sent: Any) -> httpx.Response:
        headers = {"X-API-Key": KEY}
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **sent)

    async def buy(self, service: str, country: str = "GB") -> Any:
        pair = {"service": service, "country": country}
        return (await self.call("POST", "/customer/purchase", json=pair)).json()

    async def steer(self, what: str, **body: Any) -> Any:
        response = await self.http.post(f"/sandbox/{what}", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def look(self, what: str) -> Any:
        return (await self.http.get(f"/sandbox/{what}")).json()

    async def fill(self) -> None:
        """Buys one number that is cancelled, one that gets two SMS, and one that waits."""
        gone = await self.buy("vk")
        await self.steer("clock", seconds=self.switches.hold + 1)
        await self.call("POST", f"/customer/cancel/{gone['order_id']}", json={})
        texted = await self.buy("fb")
        for text in ("11111 is your code", "22222 is your code"):
            sender = "" if self.switches.sms_sender == "empty" else "Facebook"
            await self.steer("sms", order_id=texted["order_id"], text=text, sender=sender)
            await self.steer("clock", seconds=5)
        await self.buy("vk")
        await self.steer("clock", seconds=61)
