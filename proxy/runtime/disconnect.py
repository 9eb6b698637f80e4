"""What is answered where a client hung up before its body was read: nobody hears it.

Without it Starlette raises through the app, and the server logs a traceback for each.
"""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=408)


HANDLERS = {ClientDisconnect: _gone}
"""For the `exception_handlers` of a Starlette app."""
