"""Real clients from PyPI, unmodified, against the sandbox on a real port."""

import re
import time

import pytest
from smsactivate.api import SMSActivateAPI
from virtualsms.client import NoNumbersError, VirtualSMS, VirtualSMSError

from tests.process import a_process

WITHIN = 10


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    log = tmp_path_factory.mktemp("clients") / "log"
    with a_process("sandbox", "--port", "0", "--sms-after", "0.1", log=log) as address:
        yield address
    said = log.read_text()
    assert "Traceback" not in said
    assert "planted-key" not in said


def eventually(ask, expected):
    """What a client does: it asks until the answer changes."""
    end = time.monotonic() + WITHIN
    while not expected(answer := ask()):
        assert time.monotonic() < end, answer
        time.sleep(0.1)
    return answer


class TestTheOfficialSmsActivateClient:
    @pytest.fixture
    def client(self, sandbox):
        client = SMSActivateAPI("planted-key-1")
        client._SMSActivateAPI__api_url = f"{sandbox}/stubs/handler_api.php"
        return client

    def test_it_buys_a_number_reads_its_code_and_finishes(self, client):
        assert float(client.getBalance()["balance"]) == 100.0
        number = client.getNumber(service="tg", country=16)
        assert str(number["phone"]).startswith("44")
        id = number["activation_id"]
        assert client.setStatus(id=id, status=1) == "ACCESS_READY"
        status = eventually(lambda: client.getStatus(id=id), lambda s: s.startswith("STATUS_OK"))
        assert re.fullmatch(r"STATUS_OK:\d{5}", status)
        assert client.setStatus(id=id, status=3) == "ACCESS_RETRY_GET"
        again = eventually(lambda: client.getStatus(id=id), lambda s: s.startswith("STATUS_OK"))
        assert again != status
        assert client.setStatus(id=id, status=6) == "ACCESS_ACTIVATION"
        assert client.getBalance()["balance"] == "99.05"

    def test_it_reads_prices_as_numbers(self, client):
        price = client.getPrices(service="tg", country=16)["16"]["tg"]
        assert price["cost"] > 0
        assert isinstance(price["count"], int)
        assert "187" in client.getPrices()

    def test_it_knows_every_refusal(self, client):
        number = client.getNumber(service="wa", country=16)
        assert client.setStatus(id=number["activation_id"], status=8) == "EARLY_CANCEL_DENIED"
        assert client.getNumber(service="whatsapp", country=16)["error"] == "BAD_SERVICE"
        assert client.getNumber(service="ok", country=16)["error"] == "NO_NUMBERS"
        assert client.getStatus(id=4)["error"] == "NO_ACTIVATION"
        client.api_key = "bad-key"
        assert client.getBalance()["error"] == "BAD_KEY"


class TestTheVendorsOwnLegacyClient:
    @pytest.fixture
    def client(self, sandbox):
        return VirtualSMS("planted-key-2", base_url=f"{sandbox}/stubs/handler_api.php")

    def test_it_buys_a_number_reads_its_code_and_finishes(self, client):
        assert client.get_balance() == 100.0
        activation = client.get_number("wa")
        assert activation.phone.startswith("1")
        assert client.wait_for_code(activation.activation_id, timeout=WITHIN, poll_interval=1)
        assert client.done(activation.activation_id) == "ACCESS_ACTIVATION"
        assert client.get_status(activation.activation_id) == ("cancelled", None)

    def test_it_knows_every_refusal(self, client):
        with pytest.raises(NoNumbersError):
            client.get_number("ok", country=16)
        with pytest.raises(VirtualSMSError, match="BAD_KEY"):
            VirtualSMS("bad-key", base_url=client.base_url).get_balance()

    def test_it_reads_prices(self, client):
        assert '"16":{"wa":{"cost":0.9,' in client.get_prices("wa", 16)
