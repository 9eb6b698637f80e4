"""The proxy and the simulated upstream on one port, and the lines that are printed to copy."""

import msgspec
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.sandbox.state.switches import Switches

SANDBOX_PATHS = ("/api/v1/", "/ws/", "/sandbox")

_LINES = """\
The sandbox is ready: a simulated upstream, no key and no money needed. Copy and try:

  U="{url}/stubs/handler_api.php?api_key=sandbox"
  curl -w '\\n' "$U&action=getBalance"
  NUMBER=$(curl -s "$U&action=getNumber&service=tg&country=16"); echo $NUMBER
  ID=$(echo $NUMBER | cut -d: -f2)
  curl -w '\\n' "$U&action=getStatus&id=$ID"     # again after {sms_after:g} s: the code
  curl -w '\\n' "$U&action=setStatus&id=$ID&status=6"
{console}
Ctrl-C ends it.
"""

_CONSOLE = """
Or open {url}{path} in a browser.
"""

_UPSTREAM_LINES = """\
The simulated upstream is ready; any key has an account. Point a proxy at it:

  PROXY_UPSTREAM_URL={url}/api/v1 virtualsms-proxy

Its control is at {url}/sandbox. Ctrl-C ends it.
"""


def drawn_lines(draw: str, switches: Switches) -> str:
    """The readings that were drawn, one switch a line, in the form of `--switch`."""
    readings = msgspec.structs.asdict(switches).items()
    return "\n".join([f"--switch {draw} is:", *(f"  {name}={it}" for name, it in readings), ""])


def upstream_lines(url: str) -> str:
    return _UPSTREAM_LINES.format(url=url)


def lines_to_copy(url: str, sms_after: float, console: str | None = None) -> str:
    """`console` is the path of the console, if there is one."""
    shown = _CONSOLE.format(url=url, path=console) if console else ""
    return _LINES.format(url=url, sms_after=sms_after, console=shown)


def beside(proxy: ASGIApp, sandbox: Starlette) -> ASGIApp:
    """Serves the sandbox under its own paths, the proxy under all others; runs both lifespans."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            async with sandbox.router.lifespan_context(sandbox):
                await proxy(scope, receive, send)
        else:
            is_sandbox = scope["path"].startswith(SANDBOX_PATHS)
            await (sandbox if is_sandbox else proxy)(scope, receive, send)

    return app
