"""Each client from its balance over a number, its code and a second code to the end."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients import (
    test_aiosmsactivate,
    test_async_sms_activate,
    test_daisy_sms,
    test_grizzly_sms_client,
    test_herosms,
    test_pysmshub,
    test_simple_smshub_api,
    test_smsactivate,
    test_smsactivateru,
    test_virtualsms,
)
from tests.clients.stage import a_key

JOURNEYS = {
    "aiosmsactivate": (test_aiosmsactivate.journey, test_aiosmsactivate.DIALECTS),
    "async-sms-activate": (test_async_sms_activate.journey, test_async_sms_activate.DIALECTS),
    "daisy-sms": (test_daisy_sms.journey, test_daisy_sms.DIALECTS),
    "grizzly-sms-client": (test_grizzly_sms_client.journey, test_grizzly_sms_client.DIALECTS),
    "herosms": (test_herosms.journey, test_herosms.DIALECTS),
    "pysmshub": (test_pysmshub.journey, test_pysmshub.DIALECTS),
    "pysmshub-async": (test_pysmshub.asynchronous_journey, test_pysmshub.DIALECTS),
    "simple-smshub-api": (test_simple_smshub_api.journey, test_simple_smshub_api.DIALECTS),
    "smsactivate": (test_smsactivate.journey, test_smsactivate.DIALECTS),
    "smsactivateru": (test_smsactivateru.journey, test_smsactivateru.DIALECTS),
    "virtualsms": (test_virtualsms.journey, test_virtualsms.DIALECTS),
}
WALKS = [(name, dialect) for name, (_, dialects) in JOURNEYS.items() for dialect in dialects]


@pytest.fixture(scope="module")
def walks(sandbox):
    """All at once: most of a journey is waiting."""
    with ThreadPoolExecutor(len(WALKS)) as pool:
        yield {
            (name, dialect): pool.submit(JOURNEYS[name][0], sandbox.at(dialect), a_key())
            for name, dialect in WALKS
        }


@pytest.mark.parametrize(("client", "dialect"), WALKS)
def test_a_number_its_code_another_code_and_the_end(walks, client, dialect):
    walks[client, dialect].result()
