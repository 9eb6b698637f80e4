"""What the simulated upstream has for sale: services, countries, prices, stock and numbers."""

import re
from collections.abc import Callable

import pytest

from proxy.config.codes import Codes
from proxy.config.mappings import load_codes
from proxy.sandbox.state.catalogue import SEEN_LIVE
from tests.support.sandbox import NO_LIMIT, Bench, bench_with

pytestmark = pytest.mark.anyio

bench = bench_with(switches=NO_LIMIT)


@pytest.fixture(scope="module")
def codes() -> Codes:
    return load_codes()


async def test_services_are_about_seven_hundred_with_a_floor_price(bench: Bench) -> None:
    answer = await bench.get("/customer/services")
    rows = {row["service_id"]: row for row in answer["services"]}
    assert answer["success"] is True
    assert len(rows) == 719
    assert set(SEEN_LIVE.split()) <= set(rows)
    assert set(rows["wa"]) == {"service_id", "service_name", "base_price"}
    assert (rows["wa"]["service_name"], rows["aws"]["service_name"]) == ("WhatsApp", "7-Eleven")
    prices = [row["base_price"] for row in rows.values()]
    assert min(prices) >= 0.05
    assert all(round(price, 2) == price for price in prices)


async def test_countries_are_the_59_live_ones_and_russia_with_what_they_offer(bench: Bench) -> None:
    answer = await bench.get("/customer/countries")
    rows = {row["country_id"]: row for row in answer["countries"]}
    assert len(rows) == 60
    assert "GB" in rows and "UK" not in rows and "JP" not in rows
    assert set(rows["US"]) == {"country_id", "country_name", "min_price", "services"}
    assert rows["US"]["country_name"] == "United States"
    assert {"wa", "tg"} < set(rows["US"]["services"])
    assert 500 < len(rows["US"]["services"]) < 719
    assert 0.05 <= rows["US"]["min_price"] < 0.20


async def test_countries_of_one_service_have_its_price(bench: Bench) -> None:
    rows = (await bench.get("/customer/countries", service="wa"))["countries"]
    argentina = next(row for row in rows if row["country_id"] == "AR")
    assert argentina == {"country_id": "AR", "country_name": "Argentina", "price": 0.80}
    assert min(row["price"] for row in rows) == next(
        row["base_price"]
        for row in (await bench.get("/customer/services"))["services"]
        if row["service_id"] == "wa"
    )


async def test_a_price_needs_no_key(bench: Bench) -> None:
    assert await bench.get("/price", "", service="wa", country="GB") == {
        "success": True,
        "service": "wa",
        "service_name": "WhatsApp",
        "country": "GB",
        "country_name": "United Kingdom",
        "price": 0.90,
        "currency": "USD",
        "estimated": False,
    }


async def test_a_pair_that_is_not_offered_has_no_price(bench: Bench) -> None:
    for query in ({"service": "whatsapp", "country": "GB"}, {"service": "wa", "country": "JP"}):
        response = await bench.call("GET", "/price", "", params=query)
        text = "Service/country combination not available"
        assert response.status_code == 404
        assert response.json() == {"success": False, **query, "error": text}


async def test_stock_is_public_and_told_in_three_words(bench: Bench) -> None:
    rows = (await bench.get("/catalog/countries", "", service="aaz"))["countries"]
    assert set(rows[0]) == {"id", "name", "price", "availability"}
    words = {row["availability"] for row in rows}
    assert words == {"in_stock", "low_stock", "out_of_stock"}


async def test_the_bare_catalogue_is_told_in_its_own_words(bench: Bench) -> None:
    services = {row["id"]: row for row in (await bench.get("/services"))["services"]}
    assert set(services["tg"]) == {"id", "name", "category", "price", "timeout_seconds"}
    countries = {r["id"]: r for r in (await bench.get("/countries", service="wa"))["countries"]}
    assert countries["AR"].pop("total_phones") == countries["AR"].pop("available_phones") > 5
    assert countries["AR"] == {"id": "AR", "name": "Argentina", "code": "AR", "price": 0.80}


async def test_every_country_is_known_to_the_proxy_and_its_numbers_fit(
    bench: Bench, codes: Codes
) -> None:
    offers = await bench.steer("offer", service="tg", price=0.05)
    phones = set()
    for iso in offers["offers"]:
        id = codes.country_id(iso)
        assert id is not None, iso
        for _ in range(5):
            phone = (await bench.buy("tg", iso))["phone_number"]
            assert codes.dial_fits(codes.countries[id], phone), phone
            assert re.fullmatch(r"\d{11,13}", phone)
            phones.add(phone)
    assert len(phones) == 60 * 5


async def test_equal_seeds_repeat_a_run_and_others_do_not(clock: Callable[[], float]) -> None:
    async def bought(**seed: int) -> list[str]:
        bench = Bench(clock, **seed)
        return [(await bench.buy())["order_id"] for _ in range(3)]

    assert await bought() == await bought(seed=1) != await bought(seed=2)
