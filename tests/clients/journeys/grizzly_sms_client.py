"""grizzly-sms-client 0.1.1: its way in, and its journey."""

import re

from grizzly_sms.client import GrizzlySms

from tests.clients.stage import HANDLER, eventually

DIALECTS = ("sms-activate", "")


def connect(url, key):
    return GrizzlySms(key, base_url=url.removesuffix(HANDLER))


def journey(url, key, sms):
    with connect(url, key) as client:
        assert client.get_balance() == 100.0
        number = client.get_number("tg", country=16, max_price=5)
        id = number.activation_id
        assert number.phone_number.startswith("44")
        assert client.ready(id) == "ACCESS_READY"
        assert client.get_status(id).status == "STATUS_WAIT_CODE"
        sms(number.phone_number)
        first = client.wait_for_code(id, interval_ms=500, timeout_ms=60_000).code
        assert re.fullmatch(r"\d{5}", first)
        assert client.get_status_v2(id)["sms"]["code"] == first
        assert client.request_another_code(id) == "ACCESS_RETRY_GET"
        sms(number.phone_number)
        again = eventually(lambda: client.get_status(id), lambda seen: seen.status == "STATUS_OK")
        assert again.code != first
        assert client.complete(id) == "ACCESS_ACTIVATION"
        assert client.get_balance() < 100
