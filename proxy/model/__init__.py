"""The data types that both protocols share, and all exceptions. Pure; imports no other package.

Money is in whole US cents. Times are seconds since the epoch on the upstream's clock.
"""

from proxy.model.catalogue import CatalogueAnswer, Market, Price, Service
from proxy.model.flags import FLAGS, ActivationFlags
from proxy.model.key import NO_KEY, WINDOW, ClientKey, Limits, UpstreamKey, is_key, lowest
from proxy.model.order import OVER, Frame, Order, OrderState, Sms, Transaction, last_asked, merge

__all__ = [
    "FLAGS", "NO_KEY", "OVER", "WINDOW", "ActivationFlags", "CatalogueAnswer", "ClientKey", "Frame",
    "Limits", "Market", "Order", "OrderState", "Price", "Service", "Sms", "Transaction",
    "UpstreamKey", "is_key", "last_asked", "lowest", "merge",
]  # fmt: skip
