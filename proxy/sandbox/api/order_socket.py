"""The WebSocket of one order, /ws/orders?order_id=…&api_key=…: sends each event once."""

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
    async def serve(ws: WebSocket) -> None:
        simulation.world.settle()
        id, now = ws.query_params.get("order_id", ""), simulation.world.now
        line = LogLine(now, "socket", "GET", f"{PATH}?order_id={id}")
        simulation.log.append(line)
        try:
            order = _order(simulation, ws.query_params.get("api_key", ""), id)
        except Refusal as refusal:
            # The upstream's own refusal is unknown; this is a plain HTTP answer.
            line.status = refusal.status
            await ws.send_denial_response(JSONResponse(refusal.body, refusal.status))
            return
        line.status, line.account = 101, order.account.name
        await _run(ws, simulation, order)

    return WebSocketRoute(PATH, serve)


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


async def _run(ws: WebSocket, simulation: Simulation, order: Order) -> None:
    switches = simulation.world.switches
    position = 0 if switches.ws_replay == "yes" else len(order.push_events)
    socket = Socket(order, position, simulation.world.now, dropped=switches.ws == "drops")
    simulation.sockets.add(socket)  # before accepting: the client then misses no event
    if not socket.dropped:
        simulation.queue_events(socket)
    try:
        await ws.accept()
        await _send(ws, simulation, socket)
    except WebSocketDisconnect:
        pass
    finally:
        simulation.sockets.discard(socket)


async def _send(ws: WebSocket, simulation: Simulation, socket: Socket) -> None:
    async with child_task(_watch_disconnect(ws, socket), "listener of a socket"):
        while not socket.gone:
            socket.wake.clear()
            simulation.world.settle()
            while socket.frames and not socket.gone:
                await ws.send_text(socket.frames.popleft())
            if socket.dropped:
                break
            world = simulation.world
            await world.wait(world.schedule.next_due(socket.order), socket.wake)
    if not socket.gone:
        await ws.close(SERVICE_RESTART)


async def _watch_disconnect(ws: WebSocket, socket: Socket) -> None:
    """Ignores frames of the client; notices when it disconnects."""
    while (await ws.receive())["type"] != "websocket.disconnect":
        pass
    socket.gone = True
    socket.wake.set()
