"""Checks on this machine: the certificate, the port, the store."""

import os
import ssl
from pathlib import Path

from proxy.app.readiness import SERVER
from proxy.app.server import open_socket
from proxy.app.tls import tls_context
from proxy.commands.doctor import Finding, good, wrong
from proxy.commands.health.probe import address, ask, reason
from proxy.config.settings import Config, Listen
from proxy.model.errors import HealthError, StoreError, TlsError
from proxy.runtime.plural import counted
from proxy.store import (
    OperationKind,
    ReadOnlyStore,
    file_of,
    is_held,
    is_postgres,
    open_read_only,
    refuse_links,
)
from proxy.store.schema import STEPS

PENDING = {
    OperationKind.PURCHASE: ("purchase of unknown outcome", "purchases of unknown outcome"),
    OperationKind.ORPHAN: ("unclaimed number", "unclaimed numbers"),
    OperationKind.ANSWERING: ("number being answered", "numbers being answered"),
    OperationKind.DOUBT: ("number in doubt", "numbers in doubt"),
    OperationKind.CANCEL: ("scheduled cancel", "scheduled cancels"),
}


def certificate(listen: Listen) -> Finding | None:
    """Whether the certificate can be used; None without HTTPS."""
    try:
        server = tls_context(listen.tls_cert, listen.tls_key)
    except TlsError as error:
        return wrong("tls", str(error))
    if server is None:
        return None
    try:
        ends = _end_of(server.current, str(listen.tls_cert))
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message
        return wrong("tls", f"{listen.tls_cert}: {why}: make a new one, as in docs/repoint.md")
    except ssl.SSLError as error:
        return wrong("tls", f"{listen.tls_cert}: {error.reason}: make a new one")
    return good("tls", f"{listen.tls_cert} is valid until {ends}")


def _end_of(server_context: ssl.SSLContext, cert: str) -> str:
    """The end date, by a handshake in memory with a client that trusts only it. Raises SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cert)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(down, up)
    server = server_context.wrap_bio(up, down, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = client.getpeercert() or {}
    return str(found.get("notAfter", "an unknown day"))


async def port(listen: Listen) -> Finding:
    """Whether the port is free, or the proxy answers there."""
    where = f"{listen.host}:{listen.port}"
    if listen.port == 0:
        return good("port", "any free port")
    try:
        open_socket(listen.host, listen.port).close()
    except OSError as error:
        why = reason(error)
    else:
        return good("port", f"{where} is free: no proxy runs there")
    try:
        health = await ask(listen)
    except HealthError:
        return wrong("port", f"{where}: {why}: stop the program there, or set listen.port")
    if health.server != SERVER:
        return wrong("port", f"{where}: another program answers: stop it, or set listen.port")
    says = ", ".join(health.lines)
    if not health.is_good or len(health.lines) > 1:
        return wrong("port", f"the proxy at {address(listen)} says {says}: see its log")
    return good("port", f"our own proxy answers at {address(listen)}")


def store(config: Config) -> Finding:
    try:
        if is_postgres(config.store.url):
            return _on_a_server(config)
        path = file_of(config.store.url)
        if path is None:
            return good("store", "in memory: a restart loses pending operations and the ledger")
        return _in_a_file(config.store.url, path)
    except (StoreError, OSError) as error:
        return wrong("store", str(error))


def _in_a_file(url: str, path: Path) -> Finding:
    refuse_links(path)
    if not path.exists():
        if os.access(path.parent, os.W_OK):
            return good("store", f"{path}: the proxy creates it at its start")
        fix = "make its folder writable, or set store.url"
        return wrong("store", f"{path} does not exist and cannot be created: {fix}")
    if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
        return wrong("store", f"{path} cannot be written: make it and its folder writable")
    with open_read_only(url) as seen:
        return _contents(seen, path)


def _on_a_server(config: Config) -> Finding:
    if not config.store.secret:
        return wrong("store", "PostgreSQL needs store.secret: set a long random text")
    with open_read_only(config.store.url) as seen:
        version, known = seen.version, len(STEPS)
        if version > known:
            text = f"it is of a newer proxy (version {version}; this proxy has {known})"
            return wrong("store", f"PostgreSQL: {text}: start the newer one")
        pending = counted(sum(seen.owed().values()), "pending operation")
    return good("store", f"PostgreSQL, version {version}, {pending}")


def forwards(config: Config) -> Finding | None:
    """The SMS to post to targets; None without targets, or without a store of this version."""
    path = file_of(config.store.url)
    is_there = is_postgres(config.store.url) or (path and path.exists())
    if not (config.forward and is_there):
        return None
    try:
        with open_read_only(config.store.url) as seen:
            if seen.version != len(STEPS):
                return None
            waiting, dead = seen.forwards()
    except StoreError as error:
        return wrong("forward", f"{error}")
    says = f"{counted(len(config.forward), 'target')}, {waiting} SMS waiting"
    if not dead:
        return good("forward", says)
    fix = "the proxy's log has the target and the reason; repair it"
    return wrong("forward", f"{says}, {dead} given up after eight attempts: {fix}")


def _contents(seen: ReadOnlyStore, path: Path) -> Finding:
    held, size = is_held(path), path.stat().st_size // 1024
    version, known = seen.version, len(STEPS)
    if version > known:
        text = f"it is of a newer proxy (version {version}; this proxy has {known})"
        return wrong("store", f"{path}: {text}: start the newer one")
    where = f"{path}, version {version}, {size} KB, {'in use' if held else 'not in use'}"
    pending = seen.owed() if version else {}
    if not pending:
        return good("store", f"{where}, no pending operations")
    counts = ", ".join(counted(count, *PENDING[kind]) for kind, count in pending.items())
    if held:
        return good("store", f"{where}, pending: {counts}; the proxy carries them out")
    return wrong("store", f"{where}, pending: {counts}: start the proxy, it carries them out")
