"""The dialect of HeroSMS in 2026: HTTP status codes, and refusals in a JSON envelope.

Sources: HeroSMS's OpenAPI of 2026-09, fixtures recorded live on 2026-08-30, and the types of its
clients herosms 0.1.1 (PyPI) and hero-sms 2.0.0 (npm). Where these differ, a value is what every
typed client can decode.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from proxy.legacy import answers
from proxy.legacy.activation import Activation, View
from proxy.legacy.answers import Answer
from proxy.legacy.dialects.dialect import Dialect, Word
from proxy.legacy.shapes import USD, CountryRow, Map, PriceRow, Shapes, received_at
from proxy.model import Sms, money
from proxy.model.errors import Problem

LIFE = 20 * 60.0
"""Seconds that the upstream keeps a number, for an answer that lacks the time: clients that decode
`activationEndTime` as text fail on null.
"""


class HeroShapes(Shapes):
    shows_sender = True

    def number_v2(self, view: View) -> Map:
        ends = view.order.expires_at or view.bought_at + LIFE
        return {
            "activationId": str(view.activation.id),
            "phoneNumber": view.order.phone,
            "activationCost": view.cost,
            "currency": USD,
            "countryCode": view.country,
            "countryPhoneCode": int(view.dial or 0),
            "canGetAnotherSms": True,
            "activationTime": iso_time(view.bought_at),
            "activationEndTime": iso_time(ends),
            "activationOperator": "any",
            "verificationType": "sms",
            "subtype": 1,
            "serviceCode": view.activation.service,
            "status": 4,
        }

    def status_v2(self, view: View) -> Map:
        """With both shapes: `data` of today, and `sms` and a numeric type for herosms 0.1.1."""
        data = self._sms_row(view, view.sms) if view.sms else None
        return {**super().status_v2(view), "data": data}

    def _sms_row(self, view: View, sms: Sms) -> Map:
        return super()._sms_row(view, sms) | {"date": iso_time(sms.received_at or view.bought_at)}

    def active(self, views: Sequence[View]) -> Map:
        rows = [self._active_row(view) for view in views]
        counts = {"affected_rows": len(rows), "num_rows": len(rows)}
        listed = {"row": rows[0] if rows else [], "rows": rows}
        return {"status": "success", "data": rows, "activeActivations": counts | listed}

    def _active_row(self, view: View) -> Map:
        return super()._active_row(view) | {"activationCost": view.cost}

    def top_row(self, row: PriceRow) -> Map:
        physical = {"physicalTotalCount": row.count, "physicalCountForDefaultPrice": row.count}
        by_price = {"physicalPriceMap": {money.dollars(row.cents): row.count}}
        return super().top_row(row) | physical | by_price

    def _history_row(self, view: View) -> Map:
        own = {"id": str(view.activation.id), "date": iso_time(view.bought_at)}
        codes = [view.activation.code_of(sms) for sms in view.order.messages]
        return super()._history_row(view) | own | {"sms": codes[-1] if codes else None}

    def _country(self, row: CountryRow) -> Map:
        country = super()._country(row) | {"eng": row.eng}
        del country["multiService"]
        return country

    def forward(self, activation: Activation, sms: Sms, country: int) -> Map:
        """The id is a string: herosms 0.1.1 reads no other."""
        return {
            "activationId": str(activation.id),
            "phoneFrom": sms.sender,
            "service": activation.service,
            "text": sms.text,
            "code": activation.find(sms.text),
            "country": country,
            "receivedAt": iso_time(received_at(activation, sms)),
        }

    def no_operators(self) -> Answer:
        return answers.text("OPERATORS_NOT_FOUND")

    def done(self, word: str) -> Answer:
        return Answer(b"", status=204)


def iso_time(instant: float) -> str:
    return datetime.fromtimestamp(int(instant), UTC).isoformat()


def _invalid(name: str) -> Word:
    info = {"field": name, "code": "INVALID", "message": f"The {name} is invalid"}
    return Word("UNPROCESSABLE_ENTITY", 422, "Unprocessable Entity", info)


TRY_AGAIN = Word("SERVER_ERROR", 500, "Internal Server Error")

DIALECT = Dialect(
    name="herosms",
    host="hero-sms",
    words={
        # Its OpenAPI of 2026-09: no key is a 422, before the action is looked at.
        Problem.NO_KEY: _invalid("api_key"),
        Problem.BAD_KEY: Word("BAD_KEY", 401, "Unauthorized"),
        Problem.BAD_ACTION: Word("BAD_ACTION", 404, "Method Not Found"),
        Problem.BAD_SERVICE: _invalid("service"),
        Problem.BAD_COUNTRY: _invalid("country"),
        Problem.BAD_STATUS: Word("BAD_STATUS", 400, "Bad Status"),
        Problem.BAD_PARAMETER: _invalid("{parameter}"),
        Problem.BAD_CURRENCY: _invalid("currency"),
        Problem.BAD_DATE: _invalid("{parameter}"),
        Problem.ORDER_EXISTS: Word("ORDER_ALREADY_EXISTS", 409, "Order Already Exists"),
        Problem.UNSUPPORTED_WISH: Word("SERVICE_NOT_AVAILABLE", 403, "Service Not Available"),
        Problem.CODE_RECEIVED: Word("OTP_RECEIVED", 409, "The code was received"),
        Problem.NOT_ACTIVE: Word("ACTIVATION_NOT_ACTIVE", 409, "Activation Not Active"),
        Problem.NO_ACTIVATION: Word("NOT_FOUND", 404, "Activation Not Found"),
        Problem.NOTHING_TO_CANCEL: Word("NOT_FOUND", 404, "Activation Not Found"),
        Problem.PAUSED: Word("ACCOUNT_INACTIVE", 403, "Account Inactive"),
        Problem.TOO_MANY_ACTIVE: Word("CHANNELS_LIMIT", 403, "Too many active numbers"),
        Problem.NO_BALANCE: Word("NO_BALANCE", 402, "Not enough funds"),
        Problem.NO_NUMBERS: "NO_NUMBERS",
        Problem.PRICE_TOO_HIGH: Word(
            "WRONG_MAX_PRICE", 400, "The maximum price is too low", {"min": "{price}"}
        ),
        Problem.EARLY_CANCEL: Word(
            "EARLY_CANCEL_DENIED", 409, "Too early to cancel", {"minActivationTime": 120}
        ),
        Problem.ALREADY_CANCELLED: Word("ACTIVATION_NOT_ACTIVE", 409, "Activation Not Active"),
        Problem.CANNOT_CANCEL: Word("ACTIVATION_NOT_ACTIVE", 409, "Activation Not Active"),
        Problem.RETRY_REFUSED: Word("BAD_STATUS", 400, "Bad Status"),
        Problem.RATE_LIMITED: TRY_AGAIN,
        Problem.TRY_AGAIN: TRY_AGAIN,
        Problem.UNCLEAR: TRY_AGAIN,
    },
    # Its own pages call them without a key.
    open=frozenset(
        {
            "getCountries",
            "getListOfTopCountriesByService",
            "getOperators",
            "getServices",
            "getServicesList",
            "getTopCountriesByService",
            "getTopCountriesByServiceRank",
        }
    ),
    shapes=HeroShapes(),
    key_header=("authorization", "ApiKey "),
)
