"""What actions, the console and the commands are handed."""

from dataclasses import dataclass

from proxy.config.codes import Codes
from proxy.config.programs import Programs
from proxy.forwarding.targets import Targets
from proxy.model import Key
from proxy.orders.orders import Orders
from proxy.orders.reads import Reads
from proxy.orders.sockets import Pushes
from proxy.purchases.buying import Purchases
from proxy.purchases.cancels import Cancels
from proxy.purchases.journal import Journal
from proxy.purchases.limits import Ceilings
from proxy.runtime.counters import Tally
from proxy.store import Store
from proxy.upstream.budget import Budget
from proxy.upstream.cache import Cache
from proxy.upstream.catalogue import Catalogue
from proxy.upstream.client import Upstream


@dataclass(frozen=True, slots=True)
class House:
    """Everything an action can use."""

    programs: Programs
    ceilings: Ceilings
    targets: Targets
    tally: Tally
    budget: Budget
    upstream: Upstream
    store: Store
    orders: Orders
    reads: Reads
    pushes: Pushes
    purchases: Purchases
    journal: Journal
    cancels: Cancels
    catalogue: Catalogue
    balances: Cache[Key, int]
    codes: Codes
    default_country: int
    defers_cancel: bool | None
    """None: as the dialect does."""
