"""The certificate of the server, which a reload can replace."""

import ssl
from typing import Any

from proxy.model.errors import TlsError


class ReplaceableContext(ssl.SSLContext):
    """Begins each connection with the context `current`: a reload replaces it. To load another
    certificate into one context would keep the old one, if its key is of another kind.
    """

    current: ssl.SSLContext

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        return self.current.wrap_bio(*arguments, **options)


def tls_context(cert: str | None, key: str | None) -> ReplaceableContext | None:
    """The TLS context of a certificate and its key; None without both. Raises TlsError."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise TlsError("listen.tls_cert and listen.tls_key: one is missing: set both or neither")
    outer = ReplaceableContext(ssl.PROTOCOL_TLS_SERVER)
    context = outer.current = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        why = error.strerror or "not a certificate and its key in PEM form"
        text = f"{cert}, {key}: cannot be read: {why}"
        raise TlsError(f"listen.tls_cert, listen.tls_key: {text}") from error
    return outer
