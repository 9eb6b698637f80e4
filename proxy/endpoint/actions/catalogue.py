"""The lists of services, countries and operators that are for sale, by their legacy names."""

from proxy.endpoint.actions.call import Call
from proxy.legacy import answers
from proxy.legacy.answers import Answer
from proxy.legacy.shapes import CountryRow
from proxy.model.errors import ProblemError


async def get_services(call: Call) -> Answer:
    """The services of one country or of all, with the names of the tables."""
    services = call.services
    read = await services.catalogue.services(call.key)
    sold = {service.code for service in read.value}
    if country := call.country_filter():
        markets = (await services.catalogue.markets(call.key)).value
        sold &= {code for m in markets if m.country == country.iso for code in m.services}
    listed = services.codes.listed(call.dialect.services)
    rows = [{"code": code, "name": name} for code, buys, name in listed if buys in sold]
    body = {"status": "success", "services": rows}
    return answers.json(body).with_headers({"X-Cache": read.how})


async def get_countries(call: Call) -> Answer:
    """All countries of the tables; `visible` is 1 if something is for sale there."""
    read = await call.services.catalogue.markets(call.key)
    sold = {market.country for market in read.value}
    rows = (
        CountryRow(c.id, c.eng, c.legacy, c.rus, c.chn, visible=c.iso in sold)
        for c in call.services.codes.countries.values()
    )
    body = call.dialect.shapes.countries(rows)
    return answers.json(body).with_headers({"X-Cache": read.how})


async def get_operators(call: Call) -> Answer:
    """`any` for each country: with the upstream the operator cannot be chosen."""
    codes = call.services.codes
    try:
        country = call.country_filter()
    except ProblemError:
        return call.dialect.shapes.no_operators()
    if country:
        ids: list[int | None] = [country.id]
    else:
        markets = (await call.services.catalogue.markets(call.key)).value
        ids = [codes.country_id(market.country) for market in markets]
    operators = {str(id): ["any"] for id in ids if id is not None}
    return answers.json({"status": "success", "countryOperators": operators})
