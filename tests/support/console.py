"""The console as its page's script uses it, and as others try to."""

from contextlib import asynccontextmanager

import httpx

from proxy.config.settings import ConsoleConfig
from tests.support.world import a_world

TOKEN = "a-token-of-the-operator"
API = "/console/api/v1"
OWN = {"X-Console": "1"}
HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>\u2028{{7*7}} code 4711"


def a_browser(app, host="localhost:8080"):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}")


@asynccontextmanager
async def a_console(clock, **config):
    """A proxy with this configuration, and who may use its console."""
    config["console"] = ConsoleConfig(enabled=True, token=TOKEN)
    async with a_world(clock, **config) as world, a_browser(world.app) as console:
        console.headers.update(OWN | {"Authorization": f"Bearer {TOKEN}"})
        yield world, console


async def activations(console):
    return (await console.get(f"{API}/activations")).json()["activations"]


async def summary(console):
    return (await console.get(f"{API}/summary")).json()


async def tried(console, **parameters):
    wish = {"parameters": {"api_key": "key", **parameters}}
    return (await console.post(f"{API}/try", json=wish)).json()
