"""The dialect of sms-activate: HTTP 200 for everything, one word per failure.

Sources: sms-activate's API documentation of 2025, its official Python client 1.5, and 35 runs of
real clients.
"""

from proxy.legacy.dialects.dialect import Dialect
from proxy.model.errors import Problem

# "One of the parameters has an invalid value": clients try again.
TRY_AGAIN = "ERROR_SQL"

DIALECT = Dialect(
    name="sms-activate",
    host="sms-activate",
    words={
        Problem.NO_KEY: "NO_KEY",
        Problem.BAD_KEY: "BAD_KEY",
        Problem.BAD_ACTION: "BAD_ACTION",
        Problem.BAD_SERVICE: "BAD_SERVICE",
        Problem.BAD_COUNTRY: "BAD_COUNTRY",
        Problem.BAD_STATUS: "BAD_STATUS",
        Problem.BAD_PARAMETER: "ERROR_SQL",
        # SMSHub, which alone sold in roubles and dollars, had this word.
        Problem.BAD_CURRENCY: "BAD_CURRENCY",
        Problem.BAD_DATE: "WRONG_DATE",
        # Final words: a client must not go on asking.
        Problem.ORDER_EXISTS: "ORDER_ALREADY_EXISTS",
        Problem.UNSUPPORTED_WISH: "BAD_SERVICE",
        Problem.CODE_RECEIVED: "BAD_STATUS",
        Problem.NOT_ACTIVE: "STATUS_CANCEL",
        Problem.NO_ACTIVATION: "NO_ACTIVATION",
        Problem.NOTHING_TO_CANCEL: "NO_ACTIVATION",
        Problem.PAUSED: "ACCOUNT_INACTIVE",
        Problem.TOO_MANY_ACTIVE: "CHANNELS_LIMIT",
        Problem.NO_BALANCE: "NO_BALANCE",
        Problem.NO_NUMBERS: "NO_NUMBERS",
        Problem.PRICE_TOO_HIGH: "WRONG_MAX_PRICE:{price}",
        Problem.EARLY_CANCEL: "EARLY_CANCEL_DENIED",
        Problem.ALREADY_CANCELLED: "ACCESS_CANCEL",
        Problem.CANNOT_CANCEL: "BAD_STATUS",
        Problem.RETRY_REFUSED: "BAD_STATUS",
        Problem.RATE_LIMITED: TRY_AGAIN,
        Problem.TRY_AGAIN: TRY_AGAIN,
        Problem.UNCLEAR: TRY_AGAIN,
    },
    words_of={"getListOfTopCountriesByService": {Problem.BAD_SERVICE: "WRONG_SERVICE"}},
    refused={
        # Reuse of an old number, several services on one number, voice calls.
        "getExtraActivation": "RENEW_ACTIVATION_NOT_AVAILABLE",
        "checkExtraActivation": "RENEW_ACTIVATION_NOT_AVAILABLE",
        "getAdditionalService": "WRONG_ADDITIONAL_SERVICE",
        "getMultiServiceNumber": "NOT_AVAILABLE",
        "getIncomingCallStatus": "NOT_INCOMING",
        "parseCall": "NO_CALL",
    },
)
