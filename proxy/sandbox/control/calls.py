"""The table of the control API: each call with its body and its answer."""

from typing import Any

from proxy.sandbox.api.faults import KINDS, Fault
from proxy.sandbox.api.routes import CALLS
from proxy.sandbox.control import actions, bodies, contract
from proxy.sandbox.control.call import Control
from proxy.sandbox.control.openapi import openapi
from proxy.sandbox.control.webhooks import control_webhooks, webhooks
from proxy.sandbox.simulation import Simulation
from proxy.sandbox.state.scenarios import SCENARIOS
from proxy.sandbox.state.switches import Switches, known_switches
from proxy.sandbox.wire.answers import Json


def overview(simulation: Simulation) -> Json:
    return {
        "controls": {f"{c.method} {c.path}": c.about for c in CONTROLS},
        "switches": known_switches(),
        "faults": {"kinds": KINDS, "calls": ["*", *CALLS]},
        "scenarios": {code: scenario.story for code, scenario in SCENARIOS.items()},
    }


def description(simulation: Simulation) -> Json:
    return openapi(CONTROLS)


CONTROLS = (
    Control(
        "GET", "/sandbox", "overview", overview,
        "this list, and every switch, fault and scenario", contract.Overview,
    ),
    Control(
        "GET", "/sandbox/openapi.json", "openapi", description,
        "this API as OpenAPI 3.1", dict[str, Any],
    ),
    Control(
        "POST", "/sandbox/reset", "reset", actions.reset,
        "everything as at the start", contract.Time, bodies.ResetBody,
    ),
    Control(
        "GET", "/sandbox/clock", "clock", actions.clock,
        "what time it is in the sandbox", contract.Time,
    ),
    Control(
        "POST", "/sandbox/clock", "advance", actions.advance,
        "push the clock forward by `seconds`", contract.AdvancedTime, bodies.ClockBody,
    ),
    Control(
        "GET", "/sandbox/switches", "switches", actions.switches,
        "the switches and their allowed values", contract.SwitchesInForce,
    ),
    Control(
        "POST", "/sandbox/switches", "setSwitches", actions.switch,
        "set switches, by name", contract.SwitchesInForce, dict[str, Any], Switches,
    ),
    Control(
        "POST", "/sandbox/sms", "sendSms", actions.sms,
        "send an SMS", contract.SentSms, bodies.SmsBody,
    ),
    Control(
        "POST", "/sandbox/expire", "expire", actions.expire,
        "let an order expire now", contract.OneOrder, bodies.OrderRef,
    ),
    Control(
        "POST", "/sandbox/cancel", "cancel", actions.cancel,
        "cancel and refund an order from elsewhere", contract.OneOrder, bodies.OrderRef,
    ),
    Control(
        "POST", "/sandbox/offer", "offer", actions.offer,
        "set stock, price and what is charged", contract.Offers, bodies.OfferBody,
    ),
    Control(
        "POST", "/sandbox/balance", "balance", actions.balance,
        "set the balance of a key, in USD", contract.Balance, bodies.BalanceBody,
    ),
    Control(
        "POST", "/sandbox/phone", "phone", actions.phone,
        "the number that is given out next", contract.NextPhones, bodies.PhoneBody,
    ),
    Control(
        "GET", "/sandbox/orders", "orders", actions.orders,
        "all orders, or those of ?key=", contract.Orders, query=("key",),
    ),
    Control(
        "GET", "/sandbox/ledger", "ledger", actions.ledger,
        "all money in cents, or that of ?key=", contract.LedgerEntries, query=("key",),
    ),
    Control(
        "GET", "/sandbox/requests", "requests", actions.requests,
        "those of ?key=, ?call=, ?since=", contract.Requests, query=("key", "call", "since"),
    ),
    Control(
        "GET", "/sandbox/report", "report", actions.report,
        "what programs asked for and did not get", contract.CompatibilityReport,
    ),
    Control(
        "GET", "/sandbox/sockets", "sockets", actions.sockets,
        "the open sockets", contract.Sockets,
    ),
    Control(
        "POST", "/sandbox/sockets", "controlSockets", actions.control_sockets,
        "drop, mute, unmute, say", contract.ControlledSockets, bodies.SocketBody,
    ),
    Control(
        "GET", "/sandbox/webhooks", "webhooks", webhooks,
        "the subscriptions, and what was sent to them", contract.Webhooks,
    ),
    Control(
        "POST", "/sandbox/webhooks", "controlWebhooks", control_webhooks,
        "send, forge, repeat", contract.Queued, bodies.WebhookBody,
    ),
    Control(
        "GET", "/sandbox/faults", "faults", actions.faults,
        "the faults that wait for their calls", contract.PendingFaults,
    ),
    Control(
        "POST", "/sandbox/faults", "addFault", actions.add_fault,
        "let calls go wrong", contract.PendingFaults, Fault,
    ),
    Control(
        "DELETE", "/sandbox/faults", "clearFaults", actions.clear_faults,
        "forget all faults", contract.PendingFaults,
    ),
)  # fmt: skip
