"""The types of the control API's answers, of which its contract is made. Pure.

They stand in /sandbox/openapi.json. A field may be added. None is taken away or gets another
meaning without a new version of the contract and a line in CHANGELOG.md.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from proxy.sandbox.api.faults import Fault
from proxy.sandbox.state.accounts import Status
from proxy.sandbox.state.catalogue import Offer
from proxy.sandbox.state.ledger import Entry
from proxy.sandbox.state.switches import Switches

Known = dict[str, list[Any] | str]


class Answer(Struct, kw_only=True):
    """A JSON object. Times are in seconds since 1970, or texts as in 2026-03-01T12:00:00Z."""


class Refused(Answer):
    """A wrong call: `known` lists what would be right."""

    error: str
    known: Any


class KnownFaults(Answer):
    kinds: dict[str, str]
    calls: list[str]


class Overview(Answer):
    controls: dict[str, str]
    switches: Known
    faults: KnownFaults
    scenarios: dict[str, str]


class Time(Answer):
    now: float
    time: str


class AdvancedTime(Time):
    hint: str


class SwitchesInForce(Answer):
    switches: Switches
    known: Known


class Rules(Answer):
    cancel_cooldown_seconds: float
    swap_cooldown_seconds: float


class SmsRow(Answer):
    sender: str
    content: str
    received_at: str


class OrderRow(Answer):
    """An order; `first_id` stays the same after a swap. `price` is in US dollars."""

    success: bool
    order_id: str
    first_id: str
    account: str
    phone_number: str
    service: str
    country: str
    price: float
    status: Status
    created_at: str
    expires_at: str
    cancel_available_at: str
    swap_available_at: str
    rules: Rules
    sms_received: bool
    messages: list[SmsRow]
    refunded: bool


class OneOrder(Answer):
    order: OrderRow


class SentSms(OneOrder):
    """`arrived` is false if the order takes no SMS, or if it comes later."""

    arrived: bool


class Offers(Answer):
    """By country, in US cents."""

    offers: dict[str, Offer]


class Balance(Answer):
    account: str
    balance_cents: int


class NextPhones(Answer):
    next_phones: list[str]


class Orders(Answer):
    count: int
    orders: list[OrderRow]


class Totals(Answer):
    """In US cents; `spent` is `charged` without `refunded`."""

    charged: int
    refunded: int
    spent: int


class AccountTotals(Totals):
    balance: int


class LedgerEntries(Answer):
    totals: Totals
    accounts: dict[str, AccountTotals]
    entries: list[Entry]


class RequestRow(Answer):
    at: float
    call: str
    method: str
    path: str
    account: str | None
    status: int | None
    counted: bool


class Requests(Answer):
    count: int
    busiest_minute: int
    requests: list[RequestRow]


class ActionRow(Answer):
    dialect: str
    action: str
    count: int
    answers: dict[str, int]


class UseRow(Answer, kw_only=True):
    """What a program did not get as it meant it; `request` is its last X-Request-Id."""

    dialect: str
    action: str
    use: Literal["ignored", "unknown", "refused"]
    count: int
    request: str
    advice: str
    word: str | UnsetType = UNSET


class ParameterRow(UseRow, kw_only=True):
    parameter: str


class RefusalRow(UseRow, kw_only=True):
    problem: str


class CompatibilityReport(Answer):
    summary: str
    lines: list[str]
    requests: int
    understood: int
    refused: int
    actions: list[ActionRow]
    parameters: list[ParameterRow]
    refusals: list[RefusalRow]
    dropped: int


class SocketRow(Answer):
    order_id: str
    account: str
    opened_at: float
    muted: bool


class Sockets(Answer):
    count: int
    sockets: list[SocketRow]


class ControlledSockets(Answer):
    """`dropped` after drop, `said` after say, the others after mute and unmute."""

    dropped: int | UnsetType = UNSET
    said: int | UnsetType = UNSET
    count: int | UnsetType = UNSET
    sockets: list[SocketRow] | UnsetType = UNSET


class DeliveryRow(Answer):
    id: str
    event_id: str
    event_type: str
    attempt: int
    status: Literal["pending", "delivered", "failed"]
    response_status: int | None
    response_body: str | None
    scheduled_for: str
    delivered_at: str | None
    error_message: str | None
    created_at: str
    payload: Any


class WebhookRow(Answer):
    """A subscription, with its secret and its deliveries, newest first."""

    id: str
    account: str
    url: str
    events: list[str]
    description: str | None
    active: bool
    paused: bool
    threshold: Any
    failure_count_consecutive: int
    last_delivered_at: str | None
    last_error_at: str | None
    last_error_code: str | None
    created_at: str
    updated_at: str
    secret: str
    deliveries: list[DeliveryRow]


class Webhooks(Answer):
    count: int
    webhooks: list[WebhookRow]


class Queued(Answer):
    queued: int


class PendingFaults(Answer):
    faults: list[Fault]
