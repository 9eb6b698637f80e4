"""The baseline: a thin translator, as one writes it in an hour: each request becomes one upstream.

Nothing is remembered but ids, in memory; nothing is shared between clients, and what the upstream
refuses becomes ERROR_SQL. With `--store` each purchase is two rows of a SQLite file, one before its
POST and one before its answer, which survive a power cut.
"""

import asyncio
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import click
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from proxy.app import server

ISO = {"16": "GB", "187": "US"}
NUMERIC = {iso: number for number, iso in ISO.items()}
ENDED = {"cancelled": "STATUS_CANCEL", "expired": "STATUS_CANCEL"}


class Rows:
    """A row for each write, in a file of that path; nothing where it is None."""

    def __init__(self, path: Path | None) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._db = self._thread.submit(self._open, path).result() if path else None

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("pragma journal_mode = wal").fetchall()
        db.execute("pragma synchronous = full")
        db.execute("create table if not exists numbers (what text not null)")
        return db

    async def add(self, what: str) -> None:
        if self._db:
            sql = "insert into numbers values (?)"
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._db.execute, sql, (what,))


class Plain:
    def __init__(self, upstream: str, store: Path | None) -> None:
        self._rows = Rows(store)
        self._http = httpx.AsyncClient(base_url=f"{upstream}/api/v1", trust_env=False)
        self._orders: dict[str, str] = {}
        self._numbers = count(1)

    async def serve(self, request: Request) -> Response:
        action = getattr(self, f"_{request.query_params.get('action')}", None)
        if action is None:
            return PlainTextResponse("BAD_ACTION")
        try:
            answer = await action(request.query_params)
        except httpx.HTTPError:
            answer = "ERROR_SQL"
        return PlainTextResponse(answer) if isinstance(answer, str) else JSONResponse(answer)

    async def _call(self, method: str, path: str, query: Any, **more: Any) -> Any:
        headers = {"X-API-Key": query["api_key"]}
        response = await self._http.request(method, path, headers=headers, **more)
        return response.raise_for_status().json()

    async def _getBalance(self, query: Any) -> str:
        found = await self._call("GET", "/customer/balance", query)
        return f"ACCESS_BALANCE:{found['balance']:.2f}"

    async def _getNumber(self, query: Any) -> str:
        wish = {"service": query["service"], "country": ISO[query["country"]]}
        await self._rows.add(f"{query['api_key']} {wish}")
        order = await self._call("POST", "/customer/purchase", query, json=wish)
        await self._rows.add(f"{query['api_key']} {order}")
        number = str(next(self._numbers))
        self._orders[number] = order["order_id"]
        return f"ACCESS_NUMBER:{number}:{order['phone_number'].lstrip('+')}"

    async def _getStatus(self, query: Any) -> str:
        order = await self._call("GET", f"/customer/order/{self._orders[query['id']]}", query)
        for message in order.get("messages") or ():
            if code := re.search(r"\d{4,8}", message["content"]):
                return f"STATUS_OK:{code[0]}"
        return ENDED.get(order["status"], "STATUS_WAIT_CODE")

    async def _setStatus(self, query: Any) -> str:
        if query["status"] == "8":
            await self._call("POST", f"/customer/cancel/{self._orders[query['id']]}", query)
            return "ACCESS_CANCEL"
        return {"1": "ACCESS_READY", "6": "ACCESS_ACTIVATION"}.get(query["status"], "BAD_STATUS")

    async def _getPrices(self, query: Any) -> dict[str, Any]:
        service = query["service"]
        found = await self._call("GET", f"/catalog/countries?service={service}", query)
        return {
            NUMERIC[row["id"]]: {service: {"cost": row["price"], "count": 1}}
            for row in found["countries"]
            if row["id"] in NUMERIC and row.get("availability") != "out_of_stock"
        }


@click.command()
@click.option("--port", type=int, default=0)
@click.option("--upstream", required=True, help="The address of the sandbox.")
@click.option("--store", type=click.Path(path_type=Path), help="A SQLite file for each purchase.")
def main(port: int, upstream: str, store: Path | None) -> None:
    app = Starlette(routes=[Route("/{path:path}", Plain(upstream, store).serve)])
    opened = server.open_socket("127.0.0.1", port)
    click.echo(f"listening on {server.url(opened)}")
    server.run(app, opened)


if __name__ == "__main__":
    main()
