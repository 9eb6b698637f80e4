"""The answer after a client has disconnected before its body was read; nobody receives it. Without
it Starlette raises the exception through the app, and the server logs a traceback.
"""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=408)


HANDLERS = {ClientDisconnect: _gone}
"""For the `exception_handlers` of a Starlette app."""
