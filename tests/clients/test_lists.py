"""What the clients of today read besides their numbers: prices, countries, services."""

import asyncio
import json
import re

import pytest

from tests.clients import npm
from tests.clients.journeys import accxus, sms_hub_api, sms_verifier, smsbower
from tests.clients.steps import Refused

PLAIN = pytest.mark.parametrize("dialect", ["sms-activate", ""])


@PLAIN
def test_smsbower_reads_prices_in_three_versions_and_all_lists(sandbox, key, dialect):
    with smsbower.library(sandbox.at(dialect), key) as client:
        price = client.get_prices("tg", 16)["16"]["tg"]
        assert price["cost"] > 0
        assert client.get_prices_v2("tg", 16)["16"]["tg"] == {
            f"{price['cost']:.2f}": price["count"]
        }
        (offer,) = client.get_prices_v3("tg", 16)["16"]["tg"].values()
        assert (offer["price"], offer["count"]) == (price["cost"], price["count"])
        assert {each.code: each.name for each in client.get_services_list()}["tg"] == "Telegram"
        assert client.get_countries()["16"].eng == "England"
        assert client.get_top_countries_by_service("tg")["0"]["price"] > 0
        number = client.get_number_v2("tg", 16, max_price=price["cost"])
        assert number["phoneNumber"].startswith("44")


@PLAIN
def test_sms_hub_api_reads_prices_and_stock(sandbox, key, dialect):
    client = sms_hub_api.library(sandbox.at(dialect), key)
    assert asyncio.run(client.get_prices("tg", 16))["16"]["tg"]["cost"] > 0
    assert int(asyncio.run(client.get_numbers_status(16))["tg_0"]) > 0


def test_sms_verifier_reads_the_price_and_keeps_to_its_own_cap(sandbox, key, tmp_path):
    client = sms_verifier.Connection(tmp_path, sandbox.at(), key)
    asked = ("--service", "tg", "--country", "16", *sms_verifier.PROVIDER)
    price = json.loads(client.run("core", "price", *asked))
    assert price["cost"] > 0
    with pytest.raises(Refused, match="too_expensive"):
        client.run("core", "order", *asked, "--max-price", "0.01")


def test_accxus_reads_prices_by_service_and_so_no_price_at_all(sandbox, key):
    """Every server of this protocol has the country first."""
    client = accxus.SmsActivate(sandbox.at(), key).client
    assert [each.code for each in asyncio.run(client.list_services(16))] == ["16"]
    assert asyncio.run(client.list_countries_for_service("tg")) == []


@npm.needed
@pytest.mark.parametrize("dialect", ["herosms", "sms-activate", ""])
def test_hero_sms_reads_all_lists(sandbox, key, node, dialect):
    def ask(method, *words):
        answer = node.ask(
            name="hero-sms", url=sandbox.at(dialect), key=key, method=method, words=words
        )
        assert "kind" not in answer, answer
        return answer.get("result")

    price = ask("getPrices", {"service": "tg", "country": 16})["16"]["tg"]
    assert price["cost"] > 0
    assert ask("getCountries")
    assert {"code": "tg", "name": "Telegram"} in ask("getServicesList")["services"]
    assert ask("getOperators", 16)["countryOperators"] == {"16": ["any"]}
    assert ask("getTopCountriesByService", {"service": "tg"})["0"]["price"] > 0
    # As JavaScript computes it.
    number = ask("getNumberV2", {"service": "tg", "country": 16, "maxPrice": price["cost"] * 1.1})
    assert number["phoneNumber"].startswith("44")
    assert ask("getStatusV2", number["activationId"])["sms"] is None
    assert ask("getActiveActivations")["status"] == "success"
    (past,) = ask("getHistory")
    assert str(past["id"]) == str(number["activationId"])
    ask("finishActivation", number["activationId"])


@npm.needed
def test_what_hero_sms_declares_is_what_it_gets(silent_sandbox, key, node):
    """By its own TypeScript declarations, on the path of HeroSMS."""
    types = (node.folder / "node_modules/hero-sms/dist/types.d.ts").read_text()
    url, unlike = silent_sandbox.at("herosms"), {}

    def see(interface, answer):
        for field, kinds in declared(types, interface).items():
            if (kind := KINDS[type(answer[field])]) not in kinds:
                unlike[interface, field] = kind

    def ask(method, *words):
        return node.ask(name="hero-sms", url=url, key=key, method=method, words=words)["result"]

    see("GetNumberV2Response", ask("getNumberV2", {"service": "tg", "country": 16}))
    see("ActiveActivation", ask("getActiveActivations")["data"][0])
    see("ActivationHistoryItem", ask("getHistory")[0])
    see("PriceInfo", ask("getPrices", {"service": "tg", "country": 16})["16"]["tg"])
    see("Service", ask("getServicesList")["services"][0])
    # HeroSMS itself sends null while there is no SMS.
    assert unlike == {("ActivationHistoryItem", "sms"): "null"}


KINDS = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def declared(types, name):
    """The types that each field of an interface may have."""
    body = re.search(rf"interface {name} {{\n(.*?)\n}}", types, re.DOTALL)[1]
    fields = {field: kinds.split(" | ") for field, kinds in re.findall(r"(\w+): (.+);", body)}
    assert fields, name
    return fields
