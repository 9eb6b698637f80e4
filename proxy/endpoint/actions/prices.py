"""Balance, prices and stock, in the shapes of the old servers."""

from collections.abc import Callable, Iterable

from proxy.config.codes import Country
from proxy.endpoint.actions.call import Call
from proxy.legacy import answers
from proxy.legacy.answers import Answer
from proxy.legacy.shapes import Map, PriceRow, by_country
from proxy.model import Price, money
from proxy.model.errors import ProblemError

DEFAULT_PAGE = 10
FORWARDING_SERVICES = ("av", "ot", "ya", "ym")

Rows = list[PriceRow]
IsValid = Callable[[], bool] | None


async def get_balance(call: Call) -> Answer:
    """The balance of the account, or what the key may still spend, if that is less."""
    services, limits = call.services, call.program.limits
    read = await services.balances.get(
        call.key.upstream, lambda: services.upstream.balance(call.key)
    )
    headers = {"X-Cache": read.how}
    if not limits.counts_money:
        return answers.balance(read.value).with_headers(headers).valid_while(read.stands)
    left = await services.limit_checks.left(call.key, limits)
    return answers.balance(max(min(read.value, left), 0)).with_headers(headers)


async def get_prices(call: Call) -> Answer:
    """`{country: {service: {cost, count, …}}}`, for one service, one country, both, or all."""
    return await _prices(call, call.dialect.shapes.prices)


async def get_prices_v2(call: Call) -> Answer:
    """Count by price; the upstream has one price."""
    return await _prices(call, lambda rows, country: by_country(rows, country, _price_v2))


async def get_prices_v3(call: Call) -> Answer:
    """By provider; the upstream is the only one."""
    return await _prices(call, lambda rows, country: by_country(rows, country, _price_v3))


async def get_prices_verification(call: Call) -> Answer:
    return await _prices(call, lambda rows, country: call.dialect.shapes.prices_verification(rows))


async def get_numbers_status(call: Call) -> Answer:
    """`{"tg_0":"6"}` for one country; 0 for a service that is not for sale there.

    The suffix _0 means "without call forwarding"; six clients still need it. One of them,
    smsactivateru 1.2.6, reads many codes unchecked, four of them with _1 for forwarding.
    """
    country = call.country()
    rows, *_ = await _rows(call, country)
    markets = (await call.services.catalogue.markets(call.key)).value
    # 1 while the stock is not known: with 0, a program that checks first would never buy.
    offered = {s for market in markets if market.country == country.iso for s in market.services}
    listed = call.services.codes.listed(call.dialect.services)
    counts = {f"{code}_0": "1" if buys in offered else "0" for code, buys, _ in listed}
    counts |= {f"{code}_1": "0" for code in FORWARDING_SERVICES}
    return answers.json(counts | {f"{row.service}_0": str(row.count) for row in rows})


async def get_top_countries(call: Call) -> Answer:
    """The countries of a service, or of each service: largest stock first, then lowest price."""
    rows, *_ = await _rows(call, _dialect_country(call))
    by_service: dict[str, Rows] = {}
    for row in rows:
        by_service.setdefault(row.service, []).append(row)
    tops = {
        service: {
            str(place): call.dialect.shapes.top_row(row) for place, row in enumerate(_best(found))
        }
        for service, found in by_service.items()
    }
    service = call.request.text("service")
    return answers.json(tops.get(service, {}) if service else tops)


async def get_list_of_top_countries(call: Call) -> Answer:
    """A plain list, as documented. Shares and success rates are not known: they are 0."""
    call.service()
    rows, *_ = await _rows(call, _dialect_country(call))
    length = min(call.request.number("length") or DEFAULT_PAGE, 100)
    first = ((call.request.number("page") or 1) - 1) * length
    page = _best(rows)[first : first + length]
    return answers.json([{"country": row.country, "share": 0, "rate": 0} for row in page])


def _dialect_country(call: Call) -> Country | None:
    """The country of a dialect that has only one."""
    return call.country() if call.dialect.country is not None else None


async def _prices(call: Call, shape: Callable[[Rows, int | None], Map]) -> Answer:
    service = call.request.text("service")
    if service and call.services.codes.service(service, call.dialect.services) is None:
        return answers.json({"status": "false", "msg": "service is incorrect"})
    try:
        country = call.country_filter()
    except ProblemError:
        return answers.json({"status": "false", "msg": "country is incorrect"})
    rows, headers, is_valid = await _rows(call, country)
    answer = answers.json(shape(rows, country.id if country else None)).with_headers(headers)
    return answer.valid_while(is_valid)


async def _rows(call: Call, country: Country | None) -> tuple[Rows, dict[str, str], IsValid]:
    """The known prices of the requested service, or of all services; headers that say how complete
    they are; and a function that says whether they are still valid.
    """
    codes, catalogue = call.services.codes, call.services.catalogue
    text = call.request.text("service")
    if not text:
        matrix, services = await catalogue.everything(call.key)
        listed = codes.listed(call.dialect.services)
        found = ((code, name, matrix[buys]) for code, buys, name in listed if buys in matrix)
        headers = {"X-Cache": "MATRIX", "X-Matrix": f"{len(matrix)}/{services}"}
        return [row for one in found for row in _price_rows(call, *one, country)], headers, None
    service = call.service()
    read = await catalogue.prices(service)
    rows = list(_price_rows(call, text, codes.services[service], read.value, country))
    return rows, {"X-Cache": read.how}, read.stands


def _price_rows(
    call: Call, code: str, name: str, prices: Iterable[Price], country: Country | None
) -> Iterable[PriceRow]:
    for price in prices:
        id = call.services.codes.country_id(price.country) if country is None else country.id
        if id is not None and (country is None or price.country == country.iso):
            yield PriceRow(code, name, id, price.cents, price.count)


def _best(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: (-row.count, row.cents, row.country))


def _price_v2(row: PriceRow) -> Map:
    return {money.dollars(row.cents): row.count}


def _price_v3(row: PriceRow) -> Map:
    return {"1": {"count": row.count, "price": row.dollars, "provider_id": 1}}
