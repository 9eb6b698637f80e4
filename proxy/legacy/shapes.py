"""The bodies of the legacy protocol in sms-activate's form; other dialects override some. Pure.

All known clients accept these forms: ids and phone numbers are strings in JSON, a value that some
client reads unchecked is never null, and an empty map is `{}`.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.legacy import answers, status
from proxy.legacy.activation import Activation, View
from proxy.legacy.answers import Answer, without_sql
from proxy.legacy.status import Phase
from proxy.model import OVER, Sms, money

USD = 840

# activationStatus, and status in the history: the meaning that HeroSMS's front end gives them.
STATUS_NUMBERS = {
    Phase.WAITING: "4",
    Phase.RECEIVED: "2",
    Phase.RETRYING: "3",
    Phase.FINISHED: "6",
    Phase.CANCELLED: "8",
}


@dataclass(frozen=True, slots=True)
class PriceRow:
    """Price and stock of one service in one country, both by their legacy codes."""

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
    """A body shows the sender of an SMS, which a pushed SMS does not have: the order is read."""

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
        code, text = view.activation.code_of(sms), without_sql(sms.text)
        return {"dateTime": received_stamp(view, sms), "code": code, "text": text}

    def all_sms(self, view: View, size: int | None, page: int) -> Map:
        """One page of `size` SMS, counted from 1; all of them without a size. `total` is of all."""
        messages = view.order.messages
        length = len(messages) if size is None else size
        shown = messages[(page - 1) * length : page * length]
        meta = {"total": len(messages), "service": view.activation.service}
        return {"data": [self._sms_row(view, sms) for sms in shown], "meta": meta}

    def _sms_row(self, view: View, sms: Sms) -> Map:
        return {
            "id": str(view.activation.id),
            "phoneFrom": without_sql(sms.sender),
            "code": view.activation.code_of(sms),
            "text": without_sql(sms.text),
            "service": view.activation.service,
            "date": received_stamp(view, sms),
            "type": "sms",
        }

    def active(self, views: Sequence[View]) -> Map:
        # One client compares the bytes of the empty answer.
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
            "smsCode": view.activation.code_of(view.sms) if view.sms else None,
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
        codes = [view.activation.code_of(sms) for sms in view.order.messages]
        return {
            "id": view.activation.id,
            "date": stamp(view.bought_at),
            "phone": view.order.phone,
            "sms": msgspec.json.encode(codes).decode() if codes else None,
            "cost": view.cost,
            "status": status_number(view),
            "currency": USD,
        }

    def prices(self, rows: Iterable[PriceRow], country: int | None) -> Map:
        """By country, then by service; `country` is the id if only one was asked for."""
        return by_country(rows, country, self._price)

    def _price(self, row: PriceRow) -> Map:
        return {
            "cost": row.dollars,
            "count": row.count,
            "physicalCount": row.count,
            "name": row.name,
            "repeatable": True,
        }

    def prices_verification(self, rows: Iterable[PriceRow]) -> Map:
        """By service, then by country."""
        found: Map = {}
        for row in rows:
            price = {"count": row.count, "price": money.dollars(row.cents)}
            found.setdefault(row.service, {})[str(row.country)] = price
        return found

    def top_row(self, row: PriceRow) -> Map:
        """A place in the list of the best countries of a service."""
        return {
            "country": row.country,
            "count": row.count,
            "price": row.dollars,
            "retail_price": row.dollars,
            "freePriceMap": {money.dollars(row.cents): row.count},
        }

    def countries(self, rows: Iterable[CountryRow]) -> Map:
        return {str(row.id): self._country(row) for row in rows}

    def _country(self, row: CountryRow) -> Map:
        """With the old server's English name: clients search countries by it."""
        return {
            "id": row.id,
            "rus": row.rus,
            "eng": row.legacy,
            "chn": row.chn,
            "visible": int(row.visible),
            "retry": 1,
            "rent": 0,
            "multiService": 0,
        }

    def no_operators(self) -> Answer:
        return answers.json({"status": "error", "error": "OPERATORS_NOT_FOUND"})

    def forward(self, activation: Activation, sms: Sms, country: int) -> Map:
        """The body that the old server posted to its customer for each SMS."""
        return {
            "activationId": activation.id,
            "service": activation.service,
            "text": sms.text,
            "code": activation.code_of(sms),
            "country": country,
            "receivedAt": stamp(received_at(activation, sms)),
        }

    def done(self, word: str) -> Answer:
        """The answer of finishActivation and cancelActivation."""
        return answers.text(word)


def status_number(view: View) -> str:
    """In a list the state in the upstream's order list is enough: the order is not read."""
    is_unused = view.order.state in OVER and not view.order.messages
    return STATUS_NUMBERS[Phase.CANCELLED if is_unused else view.phase]


def by_country(
    rows: Iterable[PriceRow], country: int | None, price: Callable[[PriceRow], Map]
) -> Map:
    """`price` of each row by country, then by service. Old clients read 187 unchecked."""
    found: Map = {} if country is not None else {"187": {}}
    for row in rows:
        found.setdefault(str(row.country), {})[row.service] = price(row)
    return found


def stamp(instant: float) -> str:
    """A time in UTC, in the form that one client reads with strptime."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(instant))


def received_stamp(view: View, sms: Sms) -> str:
    return stamp(sms.received_at or view.bought_at)


def received_at(activation: Activation, sms: Sms) -> float:
    return sms.received_at or activation.order.created_at or 0.0
