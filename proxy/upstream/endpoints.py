"""The endpoints of the customer API that the proxy calls, and how urgent each call is. Pure."""

from types import MappingProxyType
from typing import NamedTuple

from proxy.upstream.rate_window import Urgency


class Endpoint(NamedTuple):
    method: str
    path: str
    urgency: Urgency | None
    """None: the caller uses `Upstream.admit` itself, to know when the request is sent."""


WEBHOOKS = "/customer/webhooks"
ENDPOINTS = MappingProxyType(
    {
        "balance": Endpoint("GET", "/customer/balance", Urgency.LIST),
        "countries": Endpoint("GET", "/customer/countries", Urgency.CATALOGUE),
        "services": Endpoint("GET", "/customer/services", Urgency.CATALOGUE),
        "price": Endpoint("GET", "/price", Urgency.PAID),
        "prices": Endpoint("GET", "/catalog/countries", Urgency.CATALOGUE),
        "purchase": Endpoint("POST", "/customer/purchase", None),
        "order": Endpoint("GET", "/customer/order/{id}", None),
        "orders": Endpoint("GET", "/customer/orders", None),
        "cancel": Endpoint("POST", "/customer/cancel/{id}", Urgency.PAID),
        "swap": Endpoint("POST", "/customer/swap/{id}", Urgency.PAID),
        "transactions": Endpoint("GET", "/customer/transactions", Urgency.CATALOGUE),
        "retry": Endpoint("POST", "/orders/{id}/retry", Urgency.PAID),
        "webhooks": Endpoint("GET", WEBHOOKS, Urgency.CATALOGUE),
        "webhook_create": Endpoint("POST", WEBHOOKS, Urgency.CATALOGUE),
        "webhook": Endpoint("GET", f"{WEBHOOKS}/{{id}}", Urgency.CATALOGUE),
        "webhook_change": Endpoint("PATCH", f"{WEBHOOKS}/{{id}}", Urgency.CATALOGUE),
        "webhook_delete": Endpoint("DELETE", f"{WEBHOOKS}/{{id}}", Urgency.CATALOGUE),
        "webhook_test": Endpoint("POST", f"{WEBHOOKS}/{{id}}/test", Urgency.CATALOGUE),
        "webhook_deliveries": Endpoint("GET", f"{WEBHOOKS}/{{id}}/deliveries", Urgency.CATALOGUE),
    }
)
