"""Every JSON body of the herosms dialect, decoded as strictly as a typed client decodes it.

The types are those of HeroSMS's OpenAPI of 2026-09 and of its clients hero-sms 2.0.0 (npm) and
herosms 0.1.1 (PyPI).
"""

import asyncio
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import pytest
from msgspec import Struct

from proxy.legacy.activation import Activation, View
from proxy.legacy.dialects import DIALECTS
from proxy.legacy.status import Phase
from proxy.model import Order, OrderState
from tests.conftest import START
from tests.support.world import a_world

pytestmark = pytest.mark.anyio


class Number(Struct, forbid_unknown_fields=True):
    activationId: str
    phoneNumber: str
    activationCost: float
    currency: int
    countryCode: int
    countryPhoneCode: int
    canGetAnotherSms: bool
    activationTime: datetime
    activationEndTime: datetime
    activationOperator: str
    verificationType: str
    subtype: int
    serviceCode: str
    status: int


class StatusSms(Struct, forbid_unknown_fields=True):
    dateTime: str
    code: str
    text: str


class Otp(Struct, forbid_unknown_fields=True):
    id: str
    phoneFrom: str
    code: str
    text: str
    service: str
    date: datetime
    type: Literal["sms"]


class StatusV2(Struct, forbid_unknown_fields=True):
    verificationType: int
    """A number for herosms 0.1.1 and hero-sms 2.0.0; the OpenAPI of 2026-09 has a text."""
    sms: StatusSms | None
    call: None
    data: Otp | None


class Meta(Struct, forbid_unknown_fields=True):
    total: int
    service: str


class AllSms(Struct, forbid_unknown_fields=True):
    data: list[Otp]
    meta: Meta


class Active(Struct, forbid_unknown_fields=True):
    activationId: str
    serviceCode: str
    phoneNumber: str
    activationCost: float
    activationStatus: str
    smsCode: str | None
    smsText: str | None
    activationTime: str
    discount: str
    repeated: str
    countryCode: str
    countryName: str
    canGetAnotherSms: str
    currency: str


class ActiveRows(Struct, forbid_unknown_fields=True):
    affected_rows: int
    num_rows: int
    row: Active
    rows: list[Active]


class ActiveActivations(Struct, forbid_unknown_fields=True):
    status: str
    data: list[Active]
    activeActivations: ActiveRows


class History(Struct, forbid_unknown_fields=True):
    id: str
    date: datetime
    phone: str
    sms: str | None
    cost: float
    status: str
    currency: int


class Country(Struct, forbid_unknown_fields=True):
    id: int
    rus: str
    eng: str
    chn: str
    visible: Literal[0, 1]
    retry: Literal[0, 1]
    rent: Literal[0, 1]


class Service(Struct, forbid_unknown_fields=True):
    code: str
    name: str


class Services(Struct, forbid_unknown_fields=True):
    status: str
    services: list[Service]


class Operators(Struct, forbid_unknown_fields=True):
    status: str
    countryOperators: dict[str, list[str]]


class Price(Struct, forbid_unknown_fields=True):
    cost: float
    count: int
    physicalCount: int
    name: str
    repeatable: bool


class Top(Struct, forbid_unknown_fields=True):
    country: int
    count: int
    price: float
    retail_price: float
    freePriceMap: dict[str, int]
    physicalTotalCount: int
    physicalCountForDefaultPrice: int
    physicalPriceMap: dict[str, int]


BODIES = {
    "getActiveActivations": ActiveActivations,
    "getAllSms": AllSms,
    "getCountries": dict[str, Country],
    "getHistory": list[History],
    "getNumberV2": Number,
    "getNumbersStatus": dict[str, str],
    "getOperators": Operators,
    "getPrices": dict[str, dict[str, Price]],
    "getServicesList": Services,
    "getStatusV2": StatusV2,
    "getTopCountriesByService": dict[str, Top],
    "getTopCountriesByServiceRank": dict[str, Top],
}


@pytest.fixture
async def world(clock):
    async with a_world(clock) as world:
        world.dialect = "/herosms"
        yield world


@pytest.mark.parametrize("text", ["Your code is 1111", "No digits in it"])
@pytest.mark.parametrize("country", ["16", "187"])
async def test_a_typed_client_can_decode_every_body(world, country, text):
    # JSON has one kind of number: a whole price is a price, too.
    await world.steer("offer", {"service": "wa", "price": 1, "stock": 100})
    bought = await world.answer(f"action=getNumberV2&service=wa&country={country}")
    id = msgspec.json.decode(bought.content, type=Number).activationId
    for has_sms in (False, True):
        if has_sms:
            await world.sms(text)
            await asyncio.sleep(4)
        for action, body in BODIES.items():
            answer = await world.answer(f"action={action}&id={id}&service=wa&country={country}")
            assert answer.status_code == 200, f"{action}: {answer.text}"
            msgspec.json.decode(answer.content, type=body)


async def test_the_end_of_a_number_is_never_null():
    """The upstream's order may lack the time; hero-sms 2.0.0 decodes it as text."""
    order = Order("order", "447700900001", "wa", "GB", OrderState.WAITING, 90, START)
    view = View(
        Activation(id=1, order=order, service="wa"),
        Phase.WAITING,
        16,
        "United Kingdom",
        "44",
        START,
    )
    body = msgspec.json.encode(DIALECTS["herosms"].shapes.number_v2(view))
    number = msgspec.json.decode(body, type=Number)
    assert number.activationEndTime - number.activationTime == timedelta(minutes=20)
