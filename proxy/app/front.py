"""The page at /, which says what this is and where to go. Pure."""

from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_CONSOLE = (
    '<li><a href="console">The console</a> shows the numbers, the money and the problems.</li>'
)
_NO_CONSOLE = "<li>The console is off: <code>console.enabled</code> turns it on.</li>"
_SANDBOX = (
    "<p>This is the sandbox: its upstream is simulated, and nothing costs money. "
    '<a href="sandbox">Its control</a> answers in JSON.</p>'
)
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>virtualsms-proxy</title>
<h1>virtualsms-proxy</h1>
<p>It answers programs that speak the protocol of SMS-Activate and DaisySMS.</p>
{sandbox}
<ul>
<li>Programs ask <code>/stubs/handler_api.php</code> with their <code>api_key</code>.</li>
{console}
<li><a href="readyz">/readyz</a> says whether it can answer, <a href="metrics">/metrics</a> counts
for Prometheus.</li>
</ul>
</html>
"""

HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
)


class Front:
    def __init__(self, *, has_console: bool, sandbox: bool) -> None:
        console = _CONSOLE if has_console else _NO_CONSOLE
        self._page = _PAGE.format(console=console, sandbox=_SANDBOX if sandbox else "")

    async def show(self, request: Request) -> Response:
        return HTMLResponse(self._page, headers=HEADERS)
