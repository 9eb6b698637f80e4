"""The parts of the proxy that actions, the console and the commands use."""

from dataclasses import dataclass

from proxy.config.codes import Codes
from proxy.config.programs import Programs
from proxy.forwarding.targets import Targets
from proxy.model import UpstreamKey
from proxy.orders.last_hour import LastHour
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.orders.sockets import OrderSockets
from proxy.purchases.buying import Purchases
from proxy.purchases.cancels import Cancels
from proxy.purchases.journal import Journal
from proxy.purchases.limits import LimitChecks
from proxy.runtime.counters import Counters
from proxy.store import Store
from proxy.upstream.budget import Budget
from proxy.upstream.cache import Cache
from proxy.upstream.catalogue import Catalogue
from proxy.upstream.client import Upstream
from proxy.upstream.key_proofs import KeyProofs


@dataclass(slots=True)
class Services:
    """A reload replaces `programs`, `codes`, `default_country` and `defers_cancel`; read them anew
    for each request. The parts stay.
    """

    programs: Programs
    limit_checks: LimitChecks
    targets: Targets
    counters: Counters
    budget: Budget
    upstream: Upstream
    store: Store
    orders: Orders
    last_hour: LastHour
    reads: Reads
    sockets: OrderSockets
    purchases: Purchases
    journal: Journal
    cancels: Cancels
    catalogue: Catalogue
    balances: Cache[UpstreamKey, int]
    key_proofs: KeyProofs
    codes: Codes
    default_country: int
    defers_cancel: bool | None
    """Whether a cancel during the hold is scheduled; None: the dialect decides."""
