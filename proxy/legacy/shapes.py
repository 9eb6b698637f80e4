"""The bodies of the legacy protocol as sms-activate had them; other dialects override some. Pure.

Every shape is one that all clients of the old protocol accept: ids and phones are texts in JSON,
no value is null that a client reads without asking, empty maps are `{}`.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.legacy import answers, status
from proxy.legacy.activation import Activation, View, code_of
from proxy.legacy.answers import Answer, without_sql
from proxy.legacy.status import Phase
from proxy.model import OVER, Sms, money

USD = 840

# activationStatus and the history's status: what HeroSMS's own front end takes the numbers for.
STATUS_NUMBERS = {
    Phase.WAITING: "4",
    Phase.RECEIVED: "2",
    Phase.RETRYING: "3",
    Phase.FINISHED: "6",
    Phase.CANCELLED: "8",
}


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One service in one country, both by their legacy codes."""

    service: str
    name: str
    country: int
    cents: int
    count: int

    @property
    def dollars(self) -> float:
        return money.as_number(self.cents)


@dataclass(frozen=True, slots=True)
class CountryRow:
    id: int
    eng: str
    legacy: str
    rus: str
    chn: str
    visible: bool


Map = dict[str, Any]


class Shapes:
    shows_sender = False
    """A body tells who sent an SMS: what a socket tells of it is not enough."""

    def number(self, view: View) -> Answer:
        return answers.text(f"ACCESS_NUMBER:{view.activation.id}:{view.order.phone}")

    def rental_headers(self, view: View) -> Mapping[str, str]:
        return {}

    def number_v2(self, view: View) -> Map:
        return {
            "activationId": str(view.activation.id),
            "phoneNumber": view.order.phone,
            "activationCost": view.dollars,
            "currency": USD,
            "countryCode": str(view.country),
            "canGetAnotherSms": True,
            "activationTime": stamp(view.bought_at),
            "activationOperator": "any",
        }

    def status(self, view: View, wants_text: bool) -> Answer:
        return answers.text(status.get_status(view.phase, view.activation.code))

    def status_v2(self, view: View) -> Map:
        return {"verificationType": 0, "sms": self._status_sms(view), "call": None}

    def _status_sms(self, view: View) -> Map | None:
        if (sms := view.sms) is None:
            return None
        return {"dateTime": arrived(view, sms), "code": code_of(sms), "text": without_sql(sms.text)}

    def all_sms(self, view: View) -> Map:
        rows = [self._sms_row(view, sms) for sms in view.order.messages]
        return {"data": rows, "meta": {"total": len(rows), "service": view.activation.service}}

    def _sms_row(self, view: View, sms: Sms) -> Map:
        return {
            "id": str(view.activation.id),
            "phoneFrom": without_sql(sms.sender),
            "code": code_of(sms),
            "text": without_sql(sms.text),
            "service": view.activation.service,
            "date": arrived(view, sms),
            "type": "sms",
        }

    def active(self, views: Sequence[View]) -> Map:
        # One client compares the empty answer by its bytes.
        if not views:
            return {"status": "error", "error": "NO_ACTIVATIONS"}
        return {"status": "success", "activeActivations": [self._active_row(v) for v in views]}

    def _active_row(self, view: View) -> Map:
        return {
            "activationId": str(view.activation.id),
            "serviceCode": view.activation.service,
            "phoneNumber": view.order.phone,
            "activationCost": view.dollars,
            "activationStatus": status_number(view),
            "smsCode": code_of(view.sms) if view.sms else None,
            "smsText": without_sql(view.sms.text) if view.sms else None,
            "activationTime": stamp(view.bought_at),
            "discount": "0.00",
            "repeated": "0",
            "countryCode": str(view.country),
            "countryName": view.country_name,
            "canGetAnotherSms": "1",
            "currency": str(USD),
        }

    def history(self, views: Iterable[View]) -> list[Map]:
        return [self._history_row(view) for view in views]

    def _history_row(self, view: View) -> Map:
        codes = [code_of(sms) for sms in view.order.messages]
        return {
            "id": view.activation.id,
            "date": stamp(view.bought_at),
            "phone": view.order.phone,
            "sms": msgspec.json.encode(codes).decode() if codes else None,
            "cost": view.cost,
            "status": status_number(view),
            "currency": USD,
        }

    def prices(self, rows: Iterable[PriceRow], only: int | None) -> Map:
        """By country, then service. Old clients look under 187 without asking if it is there."""
        return by_country(rows, only, self._price)

    def _price(self, row: PriceRow) -> Map:
        return {
            "cost": row.dollars,
            "count": row.count,
            "physicalCount": row.count,
            "name": row.name,
            "repeatable": True,
        }

    def prices_verification(self, rows: Iterable[PriceRow]) -> Map:
        """By service, then country."""
        found: Map = {}
        for row in rows:
            price = {"count": row.count, "price": money.dollars(row.cents)}
            found.setdefault(row.service, {})[str(row.country)] = price
        return found

    def countries(self, rows: Iterable[CountryRow]) -> Map:
        """The names are the old server's own: clients look countries up by them."""
        return {
            str(row.id): {
                "id": row.id,
                "rus": row.rus,
                "eng": row.legacy,
                "chn": row.chn,
                "visible": int(row.visible),
                "retry": 1,
                "rent": 0,
                "multiService": 0,
            }
            for row in rows
        }

    def no_operators(self) -> Answer:
        return answers.json({"status": "error", "error": "OPERATORS_NOT_FOUND"})

    def forward(self, activation: Activation, sms: Sms, country: int) -> Map:
        """What the old server posted to its customer when an SMS came."""
        return {
            "activationId": activation.id,
            "service": activation.service,
            "text": sms.text,
            "code": code_of(sms),
            "country": country,
            "receivedAt": stamp(came(activation, sms)),
        }

    def done(self, word: str) -> Answer:
        """What finishActivation and cancelActivation answer."""
        return answers.text(word)


def status_number(view: View) -> str:
    """In a list, what a row of the upstream's says is enough."""
    is_unused = view.order.state in OVER and not view.order.messages
    return STATUS_NUMBERS[Phase.CANCELLED if is_unused else view.phase]


def by_country(rows: Iterable[PriceRow], only: int | None, price: Any) -> Map:
    found: Map = {} if only is not None else {"187": {}}
    for row in rows:
        found.setdefault(str(row.country), {})[row.service] = price(row)
    return found


def stamp(instant: float) -> str:
    """UTC, in the form that one client reads with strptime."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(instant))


def arrived(view: View, sms: Sms) -> str:
    return stamp(sms.received_at or view.bought_at)


def came(activation: Activation, sms: Sms) -> float:
    return sms.received_at or activation.order.created_at or 0.0
