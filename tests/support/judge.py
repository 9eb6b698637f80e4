"""The strictest parsing rules of the old protocol's clients, as one judge of every answer.

A rule stands here because some frozen client breaks without it; the wire form is the one that all
of them accept in the sms-activate dialect.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

from proxy.legacy.dialects import DIALECTS

SMS_ACTIVATE = DIALECTS["sms-activate"]
WORDS = {
    *(word.split(":")[0] for word in SMS_ACTIVATE.words.values()),
    *(word for words in SMS_ACTIVATE.words_of.values() for word in words.values()),
    *SMS_ACTIVATE.refused.values(),
    "STATUS_WAIT_CODE",
    "STATUS_CANCEL",
    "ACCESS_READY",
    "ACCESS_RETRY_GET",
    "ACCESS_ACTIVATION",
    "ACCESS_CANCEL",
}
FIELDS = (
    r"ACCESS_BALANCE:\d+\.\d{2}",
    r"ACCESS_NUMBER:[1-9]\d{0,9}:\d{5,20}",
    r"STATUS_OK:[^:\s][^:\r\n]*",
    r"STATUS_WAIT_RETRY:[^:\s][^:\r\n]*",
    r"FULL_SMS:[^\r\n]+",
    r"WRONG_MAX_PRICE:\d+\.\d{2}",
)
LISTS = ("getHistory", "getListOfTopCountriesByService")


def judge(action: str, answer: httpx.Response) -> Any:
    """The answer as a client reads it; AssertionError where some client could not."""
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "SQL" not in text.replace("ERROR_SQL", ""), "one client takes SQL for an error"
    assert "ERROR_SQL" not in text or text == "ERROR_SQL"
    if answer.headers["content-type"] != "application/json":
        assert answer.headers["content-type"] == "text/html; charset=UTF-8"
        assert text in WORDS or any(re.fullmatch(form, text) for form in FIELDS), text
        assert not text.startswith("ACCESS_NUMBER") or int(text.split(":")[1]) < 2**31
        return text
    body = json.loads(text)
    assert isinstance(body, list if action in LISTS else dict)
    if body not in ({"status": "false", "msg": "service is incorrect"},
                    {"status": "false", "msg": "country is incorrect"}):  # fmt: skip
        JUDGES[action](body)
    return body


def number_v2(body: Any) -> None:
    assert 0 < int(body["activationId"]) < 2**31
    assert is_text(body["activationId"], body["countryCode"], body["activationOperator"])
    assert re.fullmatch(r"\d{5,20}", body["phoneNumber"])
    assert re.fullmatch(r"\d+\.\d{2}", body["activationCost"])
    assert body["currency"] == 840
    assert body["canGetAnotherSms"] is True
    assert is_time(body["activationTime"])


def status_v2(body: Any) -> None:
    assert body["verificationType"] == 0
    assert body["call"] is None
    if body["sms"] is not None:
        assert is_text(body["sms"]["code"], body["sms"]["text"])
        assert is_time(body["sms"]["dateTime"])


def prices(body: Any) -> None:
    for country, services in body.items():
        assert country.isdigit()
        for row in services.values():
            assert is_number(row["cost"])
            assert type(row["count"]) is type(row["physicalCount"]) is int
            assert is_text(row["name"])
            assert row["repeatable"] is True


def prices_verification(body: Any) -> None:
    for countries in body.values():
        for country, row in countries.items():
            assert country.isdigit()
            assert type(row["count"]) is int
            assert float(row["price"]) >= 0


def prices_v2(body: Any) -> None:
    for services in body.values():
        for row in services.values():
            assert all(float(price) >= 0 and type(count) is int for price, count in row.items())


def prices_v3(body: Any) -> None:
    for services in body.values():
        for providers in services.values():
            for provider, row in providers.items():
                assert row["provider_id"] == int(provider)
                assert is_number(row["price"])
                assert type(row["count"]) is int


def countries(body: Any) -> None:
    for key, row in body.items():
        assert row["id"] == int(key)
        assert all(type(row[flag]) is int for flag in ("visible", "retry", "rent", "multiService"))
        assert is_text(row["rus"], row["eng"], row["chn"])


def services(body: Any) -> None:
    assert body["status"] == "success"
    assert all(is_text(row["code"], row["name"]) for row in body["services"])


def active(body: Any) -> None:
    if body == {"status": "error", "error": "NO_ACTIVATIONS"}:
        return
    assert body["status"] == "success"
    assert body["activeActivations"], "an empty list is said in words"
    for row in body["activeActivations"]:
        may_be_null = {name: row.pop(name) for name in ("smsCode", "smsText")}
        assert all(value is None or is_text(value) for value in may_be_null.values())
        assert is_text(*row.values())
        assert is_time(row["activationTime"])


def history(body: Any) -> None:
    for row in body:
        assert 0 < row["id"] < 2**31
        assert is_time(row["date"])
        assert is_text(row["phone"], row["status"])
        assert is_number(row["cost"])
        assert row["sms"] is None or is_text(*json.loads(row["sms"]))


def all_sms(body: Any) -> None:
    for row in body["data"]:
        assert is_text(*row.values())
        assert is_time(row["date"])


def numbers_status(body: Any) -> None:
    assert all(re.fullmatch(r"[a-z0-9_]+_[01]", name) for name in body)
    assert all(count.isdigit() for count in body.values())


def operators(body: Any) -> None:
    if body == {"status": "error", "error": "OPERATORS_NOT_FOUND"}:
        return
    assert body["status"] == "success"
    assert all(names == ["any"] for names in body["countryOperators"].values())


def top_countries(body: Any) -> None:
    tops = [body] if "0" in body else body.values()
    for top in tops:
        for place, row in top.items():
            assert place.isdigit()
            assert type(row["country"]) is type(row["count"]) is int
            assert is_number(row["price"])
            assert is_number(row["retail_price"])
            assert all(float(price) >= 0 for price in row["freePriceMap"])


def list_of_top(body: Any) -> None:
    for row in body:
        assert all(type(row[name]) is int for name in ("country", "share", "rate"))


JUDGES: dict[str, Callable[[Any], None]] = {
    "getActiveActivations": active,
    "getAllSms": all_sms,
    "getCountries": countries,
    "getHistory": history,
    "getListOfTopCountriesByService": list_of_top,
    "getNumberV2": number_v2,
    "getNumbersStatus": numbers_status,
    "getOperators": operators,
    "getPrices": prices,
    "getPricesExtended": prices,
    "getPricesV2": prices_v2,
    "getPricesV3": prices_v3,
    "getPricesVerification": prices_verification,
    "getServices": services,
    "getServicesList": services,
    "getStatusV2": status_v2,
    "getTopCountriesByService": top_countries,
    "getTopCountriesByServiceRank": top_countries,
}


def is_text(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_time(value: str) -> bool:
    return bool(datetime.strptime(value, "%Y-%m-%d %H:%M:%S"))


def well_formed(answer):
    """What holds in every dialect: a status the dialect has, and a body of the type it says."""
    assert answer.status_code in (200, 204, 400, 401, 402, 403, 404, 409, 422, 500)
    if answer.headers.get("content-type") == "application/json":
        answer.json()
    else:
        assert "\n" not in answer.text
