"""What a call of the upstream costs by each transport of httpx that is installed. Report only.

`httpx-aiohttp` is no dependency of this project: run it in an environment that has it, against a
sandbox that is started with `--upstream-only --switch requests_per_minute=0`.
"""

import asyncio
import importlib.util
import time
from collections.abc import Callable, Mapping
from statistics import median

import click
import httpx

from proxy.upstream.http import DirectTransport

POOL, IN_FLIGHT = 16, 8
LIMITS = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)


def transports() -> Mapping[str, Callable[[], httpx.AsyncBaseTransport]]:
    found: dict[str, Callable[[], httpx.AsyncBaseTransport]] = {
        "httpx": lambda: httpx.AsyncHTTPTransport(limits=LIMITS),
        "ours": lambda: DirectTransport(False),
    }
    if importlib.util.find_spec("httpx_aiohttp"):
        from httpx_aiohttp import AiohttpTransport

        found["httpx-aiohttp"] = lambda: AiohttpTransport(limits=LIMITS)
    return found


async def cost(transport: httpx.AsyncBaseTransport, url: str, calls: int) -> float:
    """CPU seconds of this process for each call."""
    left = iter(range(calls))
    headers = {"X-API-Key": "bench"}
    async with httpx.AsyncClient(base_url=url, transport=transport, headers=headers) as http:

        async def run() -> None:
            for _ in left:
                answer = await http.get("/customer/balance")
                assert answer.status_code == 200, answer.text

        await run_all(run, IN_FLIGHT)
        left = iter(range(calls))
        begin = time.process_time()
        await run_all(run, IN_FLIGHT)
        return (time.process_time() - begin) / calls


async def run_all(run: Callable[[], object], count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(run())


@click.command()
@click.option("--url", required=True, help="The API of the sandbox, http://127.0.0.1:…/api/v1")
@click.option("--calls", type=int, default=1000, show_default=True)
@click.option("--rounds", type=int, default=5, show_default=True)
def main(url: str, calls: int, rounds: int) -> None:
    seen: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, transport in transports().items():
            seen.setdefault(name, []).append(asyncio.run(cost(transport(), url, calls)))
    for name, costs in seen.items():
        click.echo(f"{name}: {median(costs) * 1e6:.0f} µs of CPU a call")


if __name__ == "__main__":
    main()
