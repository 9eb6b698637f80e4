"""The dialect of DaisySMS: US numbers only, its own service codes, the price in a header.

Sources: DaisySMS's API documentation of 2024-25 and the clients written for it.
"""

from collections.abc import Iterable, Mapping

from proxy.legacy import answers
from proxy.legacy.activation import Activation, View, candidates
from proxy.legacy.answers import Answer
from proxy.legacy.dialects.dialect import Dialect
from proxy.legacy.shapes import Map, PriceRow, Shapes, by_country
from proxy.model import Sms
from proxy.model.errors import Problem

US = 187
MAX_COUNT = 100
"""DaisySMS never showed a larger count."""

FORWARD_COUNTRIES = {US: 0}
"""The country in its pushed SMS: 0 in the only sample, in its documentation."""

TRY_AGAIN = "ERROR_SQL"


class DaisyShapes(Shapes):
    def rental_headers(self, view: View) -> Mapping[str, str]:
        return {"X-Price": view.dollars}

    def status(self, view: View, wants_text: bool) -> Answer:
        answer = super().status(view, wants_text)
        if wants_text and view.sms:
            return answer.with_headers({"X-Text": answers.header(view.sms.text)})
        return answer

    def _price(self, row: PriceRow) -> Map:
        return {
            "name": row.name,
            "count": min(row.count, MAX_COUNT),
            "cost": row.dollars,
            "repeatable": True,
        }

    def prices(self, rows: Iterable[PriceRow], country: int | None) -> Map:
        return by_country(rows, None, self._price)

    def forward(self, activation: Activation, sms: Sms, country: int) -> Map:
        body = super().forward(activation, sms, FORWARD_COUNTRIES.get(country, country))
        return {"activationId": activation.id, "messageId": message_id(activation, sms)} | body

    def prices_verification(self, rows: Iterable[PriceRow]) -> Map:
        return {row.service: {str(row.country): self._price(row)} for row in rows}


def message_id(activation: Activation, sms: Sms) -> int:
    """A number for the SMS, the same each time it is posted."""
    return next(candidates(activation.name_of(sms)))


DIALECT = Dialect(
    name="daisysms",
    host="daisysms",
    words={
        Problem.NO_KEY: "BAD_KEY",
        Problem.BAD_KEY: "BAD_KEY",
        Problem.BAD_ACTION: "BAD_ACTION",
        Problem.BAD_SERVICE: "BAD_SERVICE",
        Problem.BAD_COUNTRY: "BAD_SERVICE",
        Problem.BAD_STATUS: "BAD_STATUS",
        Problem.BAD_PARAMETER: TRY_AGAIN,
        Problem.BAD_CURRENCY: "BAD_CURRENCY",
        Problem.BAD_DATE: "WRONG_DATE",
        Problem.ORDER_EXISTS: "ORDER_ALREADY_EXISTS",
        Problem.UNSUPPORTED_WISH: "BAD_SERVICE",
        # ACCESS_READY as the answer to a cancel means: refused, the rental is charged or gone.
        # daisy-sms 1.0.2 reads NO_ACTIVATION as success there.
        Problem.NOTHING_TO_CANCEL: "ACCESS_READY",
        Problem.CODE_RECEIVED: "ACCESS_READY",
        Problem.CANNOT_CANCEL: "ACCESS_READY",
        Problem.NOT_ACTIVE: "STATUS_CANCEL",
        Problem.NO_ACTIVATION: "NO_ACTIVATION",
        Problem.PAUSED: "ACCOUNT_INACTIVE",
        Problem.TOO_MANY_ACTIVE: "TOO_MANY_ACTIVE_RENTALS",
        Problem.NO_BALANCE: "NO_MONEY",
        Problem.NO_NUMBERS: "NO_NUMBERS",
        Problem.PRICE_TOO_HIGH: "MAX_PRICE_EXCEEDED",
        Problem.EARLY_CANCEL: "EARLY_CANCEL_DENIED",
        Problem.ALREADY_CANCELLED: "ACCESS_CANCEL",
        Problem.RETRY_REFUSED: "BAD_STATUS",
        Problem.RATE_LIMITED: TRY_AGAIN,
        Problem.TRY_AGAIN: TRY_AGAIN,
        Problem.UNCLEAR: TRY_AGAIN,
    },
    # Here these words alone make its clients try again.
    words_of={
        "getNumber": {
            Problem.BAD_PARAMETER: "MAX_PRICE_EXCEEDED",
            Problem.RATE_LIMITED: "NO_NUMBERS",
            Problem.TRY_AGAIN: "NO_NUMBERS",
            Problem.UNCLEAR: "NO_NUMBERS",
        }
    },
    refused={
        "getExtraActivation": "BAD_ID",
        "keep": "BAD_ID",
        # daisy-sms 1.0.2 reads every other word as success.
        "setAutoRenew": "BAD_REQUEST",
    },
    shapes=DaisyShapes(),
    key_header=("x-apikey", ""),
    services="daisysms",
    country=US,
    defers_cancel=True,
)
