"""Each client from its balance over a number, its code and a second code to the end."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients.journeys import (
    aiosmsactivate,
    async_sms_activate,
    daisy_sms,
    grizzly_sms_client,
    herosms,
    pysmshub,
    simple_smshub_api,
    smsactivate,
    smsactivateru,
    virtualsms,
)
from tests.clients.stage import a_key

JOURNEYS = {
    "aiosmsactivate": (aiosmsactivate.journey, aiosmsactivate.DIALECTS),
    "async-sms-activate": (async_sms_activate.journey, async_sms_activate.DIALECTS),
    "daisy-sms": (daisy_sms.journey, daisy_sms.DIALECTS),
    "grizzly-sms-client": (grizzly_sms_client.journey, grizzly_sms_client.DIALECTS),
    "herosms": (herosms.journey, herosms.DIALECTS),
    "pysmshub": (pysmshub.journey, pysmshub.DIALECTS),
    "pysmshub-async": (pysmshub.asynchronous_journey, pysmshub.DIALECTS),
    "simple-smshub-api": (simple_smshub_api.journey, simple_smshub_api.DIALECTS),
    "smsactivate": (smsactivate.journey, smsactivate.DIALECTS),
    "smsactivateru": (smsactivateru.journey, smsactivateru.DIALECTS),
    "virtualsms": (virtualsms.journey, virtualsms.DIALECTS),
}
WALKS = [(name, dialect) for name, (_, dialects) in JOURNEYS.items() for dialect in dialects]


@pytest.fixture(scope="module")
def walks(silent_sandbox):
    """All at once. Each sends its SMS itself, when its client has seen the number waiting."""
    codes = itertools.count(41733)

    def sms(phone):
        text = f"Your code is {next(codes)}."
        silent_sandbox.steer("sms", phone=f"+{str(phone).removeprefix('+')}", text=text)

    with ThreadPoolExecutor(len(WALKS)) as pool:
        yield {
            (name, dialect): pool.submit(
                JOURNEYS[name][0], silent_sandbox.at(dialect), a_key(), sms
            )
            for name, dialect in WALKS
        }


@pytest.mark.parametrize(("client", "dialect"), WALKS)
def test_a_number_its_code_another_code_and_the_end(walks, client, dialect):
    walks[client, dialect].result()
