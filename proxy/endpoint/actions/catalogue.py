"""The lists of services, countries and operators that are for sale, by their legacy names."""

from proxy.endpoint.actions.call import Call
from proxy.endpoint.actions.offer import offer
from proxy.legacy import answers
from proxy.legacy.answers import Answer
from proxy.legacy.shapes import CountryRow
from proxy.model.errors import ProblemError

TABLES = "TABLES"
"""X-Cache of an answer from the tables alone: no key was sent, and nothing is cached."""


async def get_services(call: Call) -> Answer:
    """The services of one country or of all, with the names of the tables."""
    offered, codes = await offer(call), call.services.codes
    read = await offered.services()
    sold = {service.code for service in read.value} if read else set(codes.services)
    if (country := call.country_filter()) and (markets := await offered.markets()):
        sold &= {c for m in markets.value if m.country == country.iso for c in m.services}
    listed = codes.listed(call.dialect.services)
    rows = [{"code": code, "name": name} for code, buys, name in listed if buys in sold]
    body = {"status": "success", "services": rows}
    return answers.json(body).with_headers({"X-Cache": read.how if read else TABLES})


async def get_countries(call: Call) -> Answer:
    """All countries of the tables; `visible` is 1 if something is for sale there."""
    read = await (await offer(call)).markets()
    countries = call.services.codes.countries.values()
    sold = {m.country for m in read.value} if read else {c.iso for c in countries}
    rows = (
        CountryRow(c.id, c.eng, c.legacy, c.rus, c.chn, visible=c.iso in sold) for c in countries
    )
    body = call.dialect.shapes.countries(rows)
    return answers.json(body).with_headers({"X-Cache": read.how if read else TABLES})


async def get_operators(call: Call) -> Answer:
    """`any` for each country: with the upstream the operator cannot be chosen."""
    offered, codes = await offer(call), call.services.codes
    try:
        country = call.country_filter()
    except ProblemError:
        return call.dialect.shapes.no_operators()
    if country:
        ids: list[int | None] = [country.id]
    else:
        read = await offered.markets()
        countries = codes.countries.values()
        sold = [m.country for m in read.value] if read else [c.iso for c in countries]
        ids = [codes.country_id(iso) for iso in sold]
    operators = {str(id): ["any"] for id in ids if id is not None}
    return answers.json({"status": "success", "countryOperators": operators})
