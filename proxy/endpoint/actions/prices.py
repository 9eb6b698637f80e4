"""What is for sale and for how much, in the shapes that the old servers had for it."""

from collections.abc import Callable, Iterable
from typing import Any

from proxy.config.codes import Country
from proxy.endpoint.actions.call import Call
from proxy.legacy import answers
from proxy.legacy.answers import Answer
from proxy.legacy.shapes import Map, PriceRow, by_country
from proxy.model import Price, money
from proxy.model.errors import ProblemError

FREE_PAGE = 10
FORWARDED = ("av", "ot", "ya", "ym")

Rows = list[PriceRow]
Stands = Callable[[], bool] | None


async def get_balance(call: Call) -> Answer:
    """The account's, or what the key may still spend, if that is less."""
    services, caps = call.services, call.program.caps
    read = await services.balances.get(
        call.key.upstream, lambda: services.upstream.balance(call.key)
    )
    headers = {"X-Cache": read.how}
    if not caps.counts_money:
        return answers.balance(read.value).with_headers(headers).while_it(read.stands)
    left = await services.limit_checks.left(call.key, caps)
    return answers.balance(max(min(read.value, left), 0)).with_headers(headers)


async def get_prices(call: Call) -> Answer:
    """`{country: {service: {cost, count, …}}}`, for one service, one country, both, or all."""
    return await _answered(call, lambda rows, only: call.dialect.shapes.prices(rows, only))


async def get_prices_v2(call: Call) -> Answer:
    """Count by price: the upstream has one price."""
    return await _answered(call, lambda rows, only: by_country(rows, only, _price_v2))


async def get_prices_v3(call: Call) -> Answer:
    """By provider: the upstream is one."""
    return await _answered(call, lambda rows, only: by_country(rows, only, _price_v3))


async def get_prices_verification(call: Call) -> Answer:
    return await _answered(call, lambda rows, only: call.dialect.shapes.prices_verification(rows))


async def get_numbers_status(call: Call) -> Answer:
    """`{"tg_0":"6"}` for one country; 0 of what is not for sale there.

    The suffix is the old one for "without call forwarding", which six clients still need. One of
    them, smsactivateru 1.2.6, looks up many codes without asking if they are there, and four of
    them with forwarding, which there is none of.
    """
    country = call.country()
    rows, *_ = await _rows(call, country)
    markets = (await call.services.catalogue.markets(call.key)).value
    # Offered there, and its stock not read yet: a program that asks first would never buy.
    offered = {s for market in markets if market.country == country.iso for s in market.services}
    listed = call.services.codes.listed(call.dialect.services)
    counts = {f"{code}_0": "1" if buys in offered else "0" for code, buys, _ in listed}
    counts |= {f"{code}_1": "0" for code in FORWARDED}
    return answers.json(counts | {f"{row.service}_0": str(row.count) for row in rows})


async def get_top_countries(call: Call) -> Answer:
    """The countries of a service, best stocked and then cheapest first; of all without one."""
    rows, *_ = await _rows(call, _one(call))
    by_service: dict[str, Rows] = {}
    for row in rows:
        by_service.setdefault(row.service, []).append(row)
    tops = {service: _top(found) for service, found in by_service.items()}
    asked = call.request.text("service")
    return answers.json(tops.get(asked, {}) if asked else tops)


async def get_list_of_top_countries(call: Call) -> Answer:
    """A bare list, as documented. Shares and success rates are known to nobody: they are 0."""
    call.service()
    rows, *_ = await _rows(call, _one(call))
    length = min(call.request.number("length") or FREE_PAGE, 100)
    first = ((call.request.number("page") or 1) - 1) * length
    page = _best(rows)[first : first + length]
    return answers.json([{"country": row.country, "share": 0, "rate": 0} for row in page])


def _one(call: Call) -> Country | None:
    """The country of a dialect that knows only one."""
    return call.country() if call.dialect.country is not None else None


async def _answered(call: Call, shape: Callable[[Rows, int | None], Map]) -> Answer:
    wish, codes = call.request, call.services.codes
    if wish.text("service") and codes.service(wish.text("service"), call.dialect.services) is None:
        return answers.json({"status": "false", "msg": "service is incorrect"})
    try:
        only = call.only_country()
    except ProblemError:
        return answers.json({"status": "false", "msg": "country is incorrect"})
    rows, headers, stands = await _rows(call, only)
    answer = answers.json(shape(rows, only.id if only else None)).with_headers(headers)
    return answer.while_it(stands)


async def _rows(call: Call, only: Country | None) -> tuple[Rows, dict[str, str], Stands]:
    """What is known of the service that is asked for, or of all; headers that say how much; and
    whether that still stands.
    """
    codes, catalogue = call.services.codes, call.services.catalogue
    text = call.request.text("service")
    if not text:
        matrix, services = await catalogue.everything(call.key)
        listed = codes.listed(call.dialect.services)
        found = ((code, name, matrix[buys]) for code, buys, name in listed if buys in matrix)
        headers = {"X-Cache": "MATRIX", "X-Matrix": f"{len(matrix)}/{services}"}
        return [row for one in found for row in _of(call, *one, only)], headers, None
    service = call.service()
    read = await catalogue.prices(service)
    rows = list(_of(call, text, codes.services[service], read.value, only))
    return rows, {"X-Cache": read.how}, read.stands


def _of(
    call: Call, code: str, name: str, prices: Iterable[Price], only: Country | None
) -> Iterable[PriceRow]:
    for price in prices:
        number = call.services.codes.country_id(price.country) if only is None else only.id
        if number is not None and (only is None or price.country == only.iso):
            yield PriceRow(code, name, number, price.cents, price.count)


def _best(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: (-row.count, row.cents, row.country))


def _top(rows: Rows) -> Map:
    return {str(place): _top_row(row) for place, row in enumerate(_best(rows))}


def _top_row(row: PriceRow) -> dict[str, Any]:
    return {
        "country": row.country,
        "count": row.count,
        "price": row.dollars,
        "retail_price": row.dollars,
        "freePriceMap": {money.dollars(row.cents): row.count},
    }


def _price_v2(row: PriceRow) -> Map:
    return {money.dollars(row.cents): row.count}


def _price_v3(row: PriceRow) -> Map:
    return {"1": {"count": row.count, "price": row.dollars, "provider_id": 1}}
