"""What is read of an ASGI scope."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str:
    for header, value in scope["headers"]:
        if header == name:
            return str(value.decode("latin-1"))
    return ""
