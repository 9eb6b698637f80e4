"""The WebSocket of one order, /ws/orders?order_id=…&api_key=…: it tells what comes, once."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from proxy.runtime.tasks import child_task
from proxy.sandbox.simulation import LogLine, Simulation, Socket
from proxy.sandbox.state.accounts import Order
from proxy.sandbox.wire import refusals
from proxy.sandbox.wire.refusals import Refusal

PATH = "/ws/orders"
SERVICE_RESTART = 1012


def socket_route(simulation: Simulation) -> WebSocketRoute:
    return WebSocketRoute(PATH, _served(simulation))


def _served(simulation: Simulation) -> Callable[[WebSocket], Coroutine[Any, Any, None]]:
    async def serve(ws: WebSocket) -> None:
        simulation.world.settle()
        id, now = ws.query_params.get("order_id", ""), simulation.world.now
        line = LogLine(now, "socket", "GET", f"{PATH}?order_id={id}")
        simulation.log.append(line)
        try:
            order = _order(simulation, ws.query_params.get("api_key", ""), id)
        except Refusal as refusal:
            # What the upstream says here is not known; this is HTTP's own way.
            line.status = refusal.status
            await ws.send_denial_response(JSONResponse(refusal.body, refusal.status))
            return
        line.status, line.account = 101, order.account.name
        await _keep(ws, simulation, order)

    return serve


def _order(simulation: Simulation, key: str, id: str) -> Order:
    world = simulation.world
    if not key or key.startswith("bad"):
        raise refusals.bad_key()
    if world.switches.ws == "refused":
        raise Refusal(503, {"error": "unavailable"})
    order = world.orders.get(id)
    if order is None or order.account is not world.account(key):
        raise refusals.not_found("Order")
    return order


async def _keep(ws: WebSocket, simulation: Simulation, order: Order) -> None:
    switches = simulation.world.switches
    told = 0 if switches.ws_replay == "yes" else len(order.told)
    socket = Socket(order, told, simulation.world.now, dropped=switches.ws == "drops")
    simulation.sockets.add(socket)  # before it opens: a client that has it open misses nothing
    if not socket.dropped:
        simulation.hear(socket)
    try:
        await ws.accept()
        await _talk(ws, simulation, socket)
    except WebSocketDisconnect:
        pass
    finally:
        simulation.sockets.discard(socket)


async def _talk(ws: WebSocket, simulation: Simulation, socket: Socket) -> None:
    async with child_task(_listen(ws, socket), "listener of a socket"):
        while not socket.gone:
            socket.wake.clear()
            simulation.world.settle()
            while socket.texts and not socket.gone:
                await ws.send_text(socket.texts.popleft())
            if socket.dropped:
                break
            await _wait(simulation, socket)
    if not socket.gone:
        await ws.close(SERVICE_RESTART)


async def _listen(ws: WebSocket, socket: Socket) -> None:
    """The client has nothing to say; this sees it go."""
    while (await ws.receive())["type"] != "websocket.disconnect":
        pass
    socket.gone = True
    socket.wake.set()


async def _wait(simulation: Simulation, socket: Socket) -> None:
    """Until something is said to have changed, or the order's next happening is due."""
    world = simulation.world
    due = world.calendar.next_due(socket.order)
    left = None if due is None else max(0.0, due - world.now)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(left):
            await socket.wake.wait()
