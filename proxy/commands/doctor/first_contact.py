"""`doctor --readings`: asks a real account, perhaps buys once, and says what was learnt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from proxy.commands.columns import columns
from proxy.commands.doctor.answers import Reading, Unread
from proxy.commands.doctor.questions import MAX_REQUESTS, Pair, Questions
from proxy.commands.doctor.readings import readings
from proxy.commands.doctor.report import report_of
from proxy.commands.doctor.trial import Terms, Trial
from proxy.commands.doctor.upstream import MIN_LEFT, NamedKey, requests_left, sends_in_clear
from proxy.config.codes import Codes
from proxy.config.settings import Config
from proxy.endpoint.search import nearest
from proxy.model import WINDOW
from proxy.model.errors import ConfigError, HttpError, ProblemError, StoreError
from proxy.runtime.plural import counted
from proxy.runtime.urls import shown_host
from proxy.sandbox.report import Report
from proxy.sandbox.state.switches import known_switches
from proxy.store import is_in_use
from proxy.upstream.http import Transport
from proxy.upstream.order_socket import Connect, SocketClient
from proxy.upstream.raw import RawCalls

PAUSE = 1.0
"""Seconds between two requests, at least."""
SECONDS = 10.0
"""The timeout of each request."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """What `--buy` asks for; `ask` gets the question to the person."""

    pair: Pair
    max_price: int
    ask: Callable[[str], bool]
    cancels_early: bool = False


@dataclass(frozen=True, slots=True)
class Learnt:
    """`trouble` is why the rest was not asked; `wrongs` is what went wrong with the purchase."""

    account: str
    requests: int
    readings: Mapping[str, Reading | Unread]
    report: Report
    trouble: str = ""
    wrongs: Sequence[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.trouble or self.wrongs)

    def table(self) -> str:
        """A line for each fact that was read, then a line for each reason why others were not."""
        known, unread = known_switches(), dict[str, list[str]]()
        read = [("fact", "reading", "")]
        for name, it in self.readings.items():
            if isinstance(it, Unread):
                unread.setdefault(it.why, []).append(name)
            else:
                read.append((name, str(it), _default(known[name], it)))
        reasons = [(why, ", ".join(names)) for why, names in unread.items()]
        tables = columns(read), columns([("not read because", "facts"), *reasons])
        requests = f"{self.account}: {counted(self.requests, 'request')}"
        return "\n\n".join((*tables, requests))

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.is_good,
            "account": self.account,
            "requests": self.requests,
            "readings": self.report.readings,
            "unread": self.report.unread,
            "trouble": self.trouble or None,
            "wrong": list(self.wrongs),
        }


def _default(known: list[Any] | str, reading: Reading) -> str:
    """A note for a reading that is not the sandbox's default."""
    is_other = isinstance(known, list) and reading != known[0]
    return f"not the default, {known[0]}" if is_other else ""


def chosen(found: Sequence[NamedKey], name: str | None) -> NamedKey:
    """The account of `--key NAME`; without it upstream.api_key, or the only one. Raises
    ConfigError, which does not repeat the name: it could be a key.
    """
    names = [one for account in found for one in account.name.split(", ")]
    if not found:
        raise ConfigError("no account: set upstream.api_key, or `keys`")
    wanted = name or ("upstream.api_key" if "upstream.api_key" in names else names[0])
    if name is None and wanted != "upstream.api_key" and len(found) > 1:
        raise ConfigError(f"several accounts: name one by --key: {', '.join(names)}")
    for account in found:
        if wanted in account.name.split(", "):
            return account
    raise ConfigError(f"--key takes the name of an account, one of {', '.join(names)}")


def pair_of(codes: Codes, service: str, country: str) -> Pair:
    """The upstream's codes for those of a legacy client, or of the upstream. Raises ConfigError."""
    code = codes.service(service)
    if code is None:
        raise ConfigError(f"--buy: no service has the code {service}{_better(codes, service, 0)}")
    isos = {known.iso for known in codes.countries.values()}
    known = codes.country(country)
    iso = known.iso if known else country.upper()
    if iso not in isos:
        raise ConfigError(f"--buy: no country has the id {country}{_better(codes, country, 1)}")
    return Pair(code, iso)


def _better(codes: Codes, text: str, kind: int) -> str:
    row = nearest(codes, text, "country" if kind else "service", "sms-activate")
    return f": write {row.code} ({row.name})" if row else ": find it with lookup"


def refuse_running(config: Config) -> None:
    """Raises ConfigError if a proxy runs on the store: it could take the order for its own."""
    try:
        if not is_in_use(config.store.url):
            return
    except (StoreError, OSError) as error:
        raise ConfigError(f"--buy: whether a proxy runs is not known: {error}") from error
    raise ConfigError("--buy: a proxy runs on store.url: stop it first: nothing was bought")


async def first_contact(
    config: Config,
    codes: Codes,
    account: NamedKey,
    purchase: Purchase | None,
    say: Callable[[str], None],
    transport: Transport | None = None,
    connect: Connect | None = None,
) -> Learnt:
    """Asks the account; `say` prints a line at once. Raises ConfigError if nothing can be asked.
    `transport` and `connect` replace the network in tests.
    """
    _check(config, account)
    url, per_minute = config.upstream.url, config.upstream.requests_per_minute
    calls = RawCalls(url, max(PAUSE, WINDOW / per_minute), SECONDS, transport)
    sockets = SocketClient(config.upstream.sockets_url, connect)
    questions = Questions(calls, account.key, sockets)
    trouble, trial = "", None
    say(f"asking {shown_host(url)} with the key of {account.name}")
    try:
        await questions.ask_all()
        if purchase:
            trial = Trial(questions, _terms(config, account, purchase), say)
            await trial.run()
    except (ProblemError, HttpError) as error:
        trouble = getattr(error, "detail", "") or str(error)
    except ConfigError as error:
        trouble = str(error)
    finally:
        await calls.close()
    read = readings(questions.answers)
    isos = {country.iso for country in codes.countries.values()}
    report = report_of(questions.answers.found, read, trouble, codes.services, isos)
    wrongs = trial.wrongs if trial else []
    return Learnt(account.name, calls.count, read, report, trouble, wrongs)


def _check(config: Config, account: NamedKey) -> None:
    """Raises ConfigError if the key would be sent unencrypted, or its minute is nearly used up."""
    if sends_in_clear(config.upstream.url):
        where = shown_host(config.upstream.url)
        raise ConfigError(f"{where}: keys are sent unencrypted: write https://")
    left, says = requests_left(config, account.key)
    needed = min(MAX_REQUESTS + MIN_LEFT, config.upstream.requests_per_minute)
    if left is not None and left < needed:
        raise ConfigError(f"{account.name}: {says}: try again in a minute")


def _terms(config: Config, account: NamedKey, purchase: Purchase) -> Terms:
    return Terms(
        purchase.pair,
        purchase.max_price,
        account.name,
        purchase.ask,
        partial(refuse_running, config),
        purchase.cancels_early,
    )
