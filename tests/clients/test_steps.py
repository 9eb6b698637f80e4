"""Each client through all steps: balance, number, wait, code, another code, finish, refusals.

What a client shows instead, by its own fault, is a row of FAULTS with the line of its source.
"""

import functools
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients import npm
from tests.clients.journeys import accxus, from_npm, sms_hub_api, sms_verifier, smsbower
from tests.clients.stage import a_key
from tests.clients.steps import Fault, walk

LIBRARIES = {
    "accxus sms_activate": accxus.SmsActivate,
    "accxus herosms": accxus.HeroSms,
    "sms-hub-api": sms_hub_api.Connection,
    "smsbower": smsbower.Connection,
}
# These are given a folder.
PROGRAMS = {"sms-verifier": sms_verifier.Connection}
FROM_NPM = {each.name: each for each in (from_npm.HeroSms, from_npm.SmsActivate)}


def walks(clients):
    """Those of each client: its name and a dialect; "" is the default path."""
    return [(name, dialect) for name, each in clients.items() for dialect in each.dialects]


ACCXUS = ("accxus sms_activate", "accxus herosms")
PLAIN = ("sms-activate", "")
ANY = ("herosms", *PLAIN)
IN_ACCXUS = "accxus/core/sms/providers"
IN_HERO_SMS = "hero-sms/dist/client.js"
IN_SMS_ACTIVATE = "sms-activate/lib/index.js"

FAULTS = [
    # accxus knows no STATUS_WAIT_RETRY, so it shows the last code no longer, and only yes and no.
    *(
        Fault(client, ANY, step, shown, file, line)
        for client, file, confirm in (
            (ACCXUS[0], f"{IN_ACCXUS}/sms_activate.py", 'return text in ("ACCESS_ACTIVATION", '),
            (ACCXUS[1], f"{IN_ACCXUS}/herosms.py", 'return "ACCESS" in text'),
        )
        for step, shown, line in (
            (
                "waiting for another code",
                ("STATUS_WAIT_CODE", None),
                "        return ActivationStatus.PENDING, None\n\n    async def cancel(",
            ),
            ("finish", True, confirm),
        )
    ),
    Fault(
        ACCXUS[0],
        PLAIN,
        "early cancel",
        False,
        f"{IN_ACCXUS}/sms_activate.py",
        'return text == "ACCESS_CANCEL"',
    ),
    # Its provider for HeroSMS believes that an early cancel is done.
    Fault(
        ACCXUS[1],
        PLAIN,
        "early cancel",
        True,
        f"{IN_ACCXUS}/herosms.py",
        'return "CANCEL" in text',
    ),
    Fault(
        ACCXUS[1],
        PLAIN,
        "unknown id",
        ("STATUS_WAIT_CODE", None),
        f"{IN_ACCXUS}/herosms.py",
        'text = await self._get(action="getStatus", id=activation_id)\n        if text in',
    ),
    Fault(
        ACCXUS[1],
        PLAIN,
        "bad key",
        0.0,
        f"{IN_ACCXUS}/herosms.py",
        'balance = float(text.split(":")[-1]) if ":" in text else 0.0',
    ),
    # Both read no body of a 4xx, and HeroSMS answers refusals with 4xx.
    *(
        Fault(client, ("herosms",), step, shown.format(status), file, line)
        for client, shown, file, line in (
            (ACCXUS[1], "HTTP {}", f"{IN_ACCXUS}/herosms.py", "resp.raise_for_status()"),
            ("hero-sms", "AxiosError {}", IN_HERO_SMS, "await this.httpClient.get('', {"),
        )
        for step, status in (("early cancel", 409), ("unknown id", 404), ("bad key", 401))
    ),
    # Its getStatus has the word alone.
    Fault(
        "sms-activate",
        PLAIN,
        "waiting for another code",
        ("STATUS_WAIT_RETRY", None),
        IN_SMS_ACTIVATE,
        "return dataSplit[0]",
    ),
]


@pytest.fixture(scope="module")
def begun(silent_sandbox, request, tmp_path_factory):
    """All walks at once, since most of a walk is waiting; those of Node only where it is."""
    given = [(LIBRARIES, ()), (PROGRAMS, (tmp_path_factory.mktemp("programs"),))]
    if not npm.ABSENT:
        given.append((FROM_NPM, (request.getfixturevalue("node"),)))
    with ThreadPoolExecutor(32) as pool:
        yield {
            (name, dialect): pool.submit(
                walk,
                functools.partial(clients[name], *first),
                silent_sandbox,
                dialect,
                a_key(),
                {f.step: f.shown for f in FAULTS if f.client == name and dialect in f.dialects},
            )
            for clients, first in given
            for name, dialect in walks(clients)
        }


@pytest.mark.parametrize(("client", "dialect"), walks(LIBRARIES | PROGRAMS))
def test_a_client_from_pypi_goes_every_step(begun, client, dialect):
    begun[client, dialect].result()


@npm.needed
@pytest.mark.parametrize(("client", "dialect"), walks(FROM_NPM))
def test_a_client_from_npm_goes_every_step(begun, client, dialect):
    begun[client, dialect].result()


@pytest.mark.parametrize(
    "fault",
    [pytest.param(f, marks=npm.needed if f.client in FROM_NPM else ()) for f in FAULTS],
    ids=lambda fault: f"{fault.client}, {fault.step}",
)
def test_a_fault_of_a_client_is_in_its_source(fault, request):
    package, _, _ = fault.file.partition("/")
    if fault.client in FROM_NPM:
        folder = request.getfixturevalue("node").folder / "node_modules"
    else:
        folder = Path(importlib.util.find_spec(package).origin).parents[1]
    assert fault.line in (folder / fault.file).read_text()
