"""daisy-sms 1.0.2: its way in, and its journey."""

import threading
from types import SimpleNamespace
from unittest import mock

import daisy_sms.client
import requests
from daisy_sms.client import DaisySmsClient
from daisy_sms.models import ActivationStatus
from daisy_sms.service import Service

from tests.clients.stage import HANDLER, eventually

DIALECTS = ("daisysms", "")
ONE_AT_A_TIME = threading.Lock()


def repointed(url, get=requests.get):
    """Stands for `requests` in the client's module."""
    place = url.removesuffix(HANDLER)
    return SimpleNamespace(get=lambda url: get(url.replace("https://daisysms.com", place)))


def journey(url, key, sms):
    with ONE_AT_A_TIME, mock.patch.object(daisy_sms.client, "requests", repointed(url)):
        client = DaisySmsClient(key)
        assert client.get_balance() == 100.0
        rental = client.rent_number(Service.TELEGRAM, max_price=9)
        assert str(rental.number).startswith("1")
        assert client.get_code(rental.id).status is ActivationStatus.STATUS_WAIT_CODE
        sms(rental.number)
        seen = eventually(lambda: client.get_code(rental.id), lambda seen: seen.code)
        assert seen.status is ActivationStatus.STATUS_OK
        assert 10_000 <= seen.code <= 99_999
        client.mark_rental_as_done(rental.id)
        assert client.get_code(rental.id).status is ActivationStatus.STATUS_CANCEL
        assert client.get_balance() < 100
