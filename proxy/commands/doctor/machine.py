"""What can be found out on this machine alone: the certificate, the port, the store."""

import os
import ssl
from pathlib import Path

from proxy.app.readiness import SERVER
from proxy.app.server import open_socket, tls_context
from proxy.commands.doctor.finding import Finding, good, wrong
from proxy.commands.health.probe import address, ask, reason
from proxy.commands.plural import counted
from proxy.config.settings import Config, Listen
from proxy.model.errors import HealthError, StoreError, TlsError
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

OWED = {
    OperationKind.PURCHASE: ("purchase of unknown outcome", "purchases of unknown outcome"),
    OperationKind.ORPHAN: ("paid number that was not told", "paid numbers that were not told"),
    OperationKind.CANCEL: ("promised cancel", "promised cancels"),
}


def certificate(listen: Listen) -> Finding | None:
    """None where HTTPS is not spoken."""
    try:
        server = tls_context(listen.tls_cert, listen.tls_key)
    except TlsError as error:
        return wrong("tls", str(error))
    if server is None:
        return None
    try:
        ends = _shaken(server, str(listen.tls_cert))
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message
        return wrong("tls", f"{listen.tls_cert}: {why}: make a new one, as in docs/repoint.md")
    except ssl.SSLError as error:
        return wrong("tls", f"{listen.tls_cert}: {error.reason}: make a new one")
    return good("tls", f"{listen.tls_cert} is good until {ends}")


def _shaken(server_context: ssl.SSLContext, cert: str) -> str:
    """When the certificate ends, by a handshake in memory with a client that trusts it alone."""
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
    """Free, or the proxy itself answers there."""
    where = f"{listen.host}:{listen.port}"
    if listen.port == 0:
        return good("port", "any that is free")
    try:
        open_socket(listen.host, listen.port).close()
    except OSError as error:
        why = reason(error)
    else:
        return good("port", f"{where} is free: no proxy runs there")
    try:
        health = await ask(listen)
    except HealthError:
        return wrong("port", f"{where}: {why}: end what has it, or set listen.port")
    if health.server != SERVER:
        return wrong("port", f"{where} is another program's: end it, or set listen.port")
    says = ", ".join(health.lines)
    if not health.is_good or len(health.lines) > 1:
        return wrong("port", f"the proxy at {address(listen)} says {says}: see its log")
    return good("port", f"our own proxy answers at {address(listen)}")


def store(config: Config) -> Finding:
    if is_postgres(config.store.url):
        return _on_a_server(config)
    path = file_of(config.store.url)
    if path is None:
        return good("store", "in memory: a restart forgets what is owed and what was spent")
    try:
        refuse_links(path)
    except StoreError as error:
        return wrong("store", str(error))
    if not path.exists():
        if os.access(path.parent, os.W_OK):
            return good("store", f"{path} is made when the proxy starts")
        fix = "make that folder writable, or set store.url"
        return wrong("store", f"{path} is not there and cannot be made: {fix}")
    if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
        return wrong("store", f"{path} cannot be written: make it and its folder writable")
    try:
        with open_read_only(config.store.url) as seen:
            return _contents(seen, path)
    except (StoreError, OSError) as error:
        return wrong("store", f"{error}")


def _on_a_server(config: Config) -> Finding:
    if not config.store.secret:
        return wrong("store", "PostgreSQL needs store.secret: set a long random text")
    try:
        with open_read_only(config.store.url) as seen:
            version, known = seen.version, len(STEPS)
            if version > known:
                text = f"it is of a newer proxy ({version}; this is {known})"
                return wrong("store", f"PostgreSQL: {text}: start the newer one")
            owed = sum(seen.owed().values())
    except StoreError as error:
        return wrong("store", f"{error}")
    return good("store", f"PostgreSQL, version {version}, owed calls: {owed}")


def forwards(config: Config) -> Finding | None:
    """None where nobody is to be told of SMS, or there is no store of this version to look into."""
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
    says = f"{counted(len(config.forward), 'target')}, {waiting} SMS on their way"
    if not dead:
        return good("forward", says)
    fix = "the log of the proxy names the target and why; mend it"
    return wrong("forward", f"{says}, {dead} given up after eight attempts: {fix}")


def _contents(seen: ReadOnlyStore, path: Path) -> Finding:
    held, size = is_held(path), path.stat().st_size // 1024
    version, known = seen.version, len(STEPS)
    if version > known:
        fix = "start the newer one, or set store.url to another file"
        return wrong("store", f"{path} is of a newer proxy ({version}; this is {known}): {fix}")
    where = f"{path}, version {version}, {size} KB, {'in use' if held else 'not in use'}"
    owed = seen.owed() if version else {}
    if not owed:
        return good("store", f"{where}, nothing is owed")
    debts = ", ".join(counted(count, *OWED[kind]) for kind, count in owed.items())
    if held:
        return good("store", f"{where}, owes {debts}: the proxy is at it")
    return wrong("store", f"{where}, owes {debts}: start the proxy, it settles them")
