"""Carries out what somebody clicks for a number: once, however often it is clicked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from proxy.console.acts import EVENTS, REQUESTS
from proxy.console.advice import PROBLEMS
from proxy.console.endpoint import Endpoint
from proxy.console.rows import Rows
from proxy.console.stored import StoredRows
from proxy.runtime.logs import Secrets
from proxy.runtime.tasks import BackgroundTasks
from proxy.services import Services

Outcome = tuple[int, Mapping[str, Any]]
"""The HTTP status and the body of the answer."""

GONE: Outcome = 404, {"error": "it does not exist any more"}
GRACE = 2.0
"""Seconds that running acts have when the process stops."""


@dataclass(eq=False)
class Clicks:
    services: Services
    rows: Rows
    stored: StoredRows
    endpoint: Endpoint
    secrets: Secrets
    _tasks: BackgroundTasks = field(default_factory=BackgroundTasks)

    async def close(self) -> None:
        await self._tasks.aclose(GRACE)

    async def carry_out(self, row: str, act: str, phone: str | None) -> Outcome:
        """Makes the request of the number's program. `phone` is the number that the page shows: if
        it was swapped since, nothing is done. The same click again waits for the first. Raises
        StoreError.
        """
        work = partial(self._carry_out, row, act, phone)
        return await self._tasks.share((row, act, phone), work, f"{act} of {row} by the console")

    async def _carry_out(self, row: str, act: str, phone: str | None) -> Outcome:
        found = await self.stored.find(row)
        if found is None:
            return GONE
        (_, id), activation, state = found
        now, order = self.services.upstream.wall_clock(), activation.order
        if phone is not None and phone != order.phone:
            return 409, {"error": "it has another number now: look again"}
        program = self.rows.acts.program(state.key)
        why = self.rows.why_not(activation, state, now)[act]
        if program is None or why:
            return 409, {"error": f"not possible: {why}"}
        self.services.counters.happened(order.id, EVENTS[act], now)
        word, problem = await self.endpoint.ask(program, {**REQUESTS[act], "id": str(id)})
        advice = PROBLEMS[problem.name] if problem else None
        return 200, {"word": self.secrets.redact(word), "ok": problem is None, "advice": advice}
