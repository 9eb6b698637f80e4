"""The order of the checks, and where they end early."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from proxy.app.loaded import codes_of, programs_of
from proxy.commands.doctor import Finding, good, machine, wrong
from proxy.commands.doctor.upstream import Probe, accounts
from proxy.config.programs import Programs
from proxy.config.settings import Config, load_config
from proxy.config.sms_words import load_sms_words
from proxy.model.errors import ConfigError, YamlFileError
from proxy.runtime.plural import counted


async def examine(
    path: Path | None, environ: Mapping[str, str], progress: Callable[[str], None]
) -> AsyncIterator[Finding]:
    """Yields the findings; calls `progress` with the name of each next check."""
    progress("the configuration")
    try:
        config = load_config(path, environ)
        codes = codes_of(config)
        load_sms_words(config.own_tables)
        programs = programs_of(config, codes)
    except (ConfigError, YamlFileError) as error:
        yield wrong("config", str(error))
        return
    tables = counted(len(codes.countries), "country", "countries")
    tables += f", {counted(len(codes.services), 'service')}"
    yield good("config", f"{path or 'no file, the defaults'}; {tables}")
    if tls := machine.certificate(config.listen):
        yield tls
    progress("the port")
    yield await machine.port(config.listen)
    yield machine.store(config)
    if forwards := machine.forwards(config):
        yield forwards
    async for finding in _upstream(config, programs, progress):
        yield finding


async def _upstream(
    config: Config, programs: Programs, progress: Callable[[str], None]
) -> AsyncIterator[Finding]:
    probe = Probe(config, accounts(config, programs))
    try:
        progress("the upstream")
        reached = await probe.reach()
        yield reached
        if reached.is_wrong:
            return
        yield probe.clock()
        progress("the keys")
        for finding in await probe.keys():
            yield finding
        progress("the sockets")
        yield await probe.push()
    finally:
        await probe.close()
