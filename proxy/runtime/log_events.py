"""The warnings and errors of the log: a code and a format string each. The console has advice for
every code; one code stands for all events with the same advice.
"""


class Event(str):
    """A format string for a log call, with the event's code."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, code: str, text: str) -> "Event":
        event = super().__new__(cls, text)
        event.code = code
        return event


LIMIT_LOWERED = Event("limit_lower", "%s: allowed to %s in a minute: %d")
RATE_LIMITED = Event("rate_limited", "%s: the upstream refuses %s: too many requests")
SPENDING_UNKNOWN = Event("store", "%s: what was spent is not known: %s")
LEASE_LOST = Event("database", "%s: a safe share of its requests is left: %s")
ROWS_UNREADABLE = Event("rows_unreadable", "%s: rows that cannot be read: %d of %d")
CATALOGUE_UNREAD = Event("store", "nothing is known of the catalogue: %s")
CACHE_UNREADABLE = Event("cache_unreadable", "the store's %s cannot be read: %s")
UPSTREAM_OUT = Event(
    "upstream_out", "the upstream does not answer: %s: run virtualsms-proxy doctor"
)
NO_PRICES = Event("upstream", "no prices yet after %d s")
SWEEP_PAUSED = Event("upstream", "the price sweep pauses: %s")
ORDER_STALE = Event("upstream", "order %s: the upstream is slow, its last state stands")
ACTIVATIONS_STALE = Event("upstream", "the activations known stand: %s")
NO_ORDER_LIST = Event("no_order_list", "%s: orders are read one by one: no order list: %s")
NO_ORDER_READS = Event("no_order_reads", "%s: neither its list nor its orders can be read: %s")
FOREIGN_ORDERS_UNKNOWN = Event("database", "the orders of other programs are not known: %s")
LAST_HOUR_UNREAD = Event("store", "the numbers of the last hour cannot be read: %s")
ORDERS_NOT_SAVED = Event("store", "orders could not be kept: %s")
REFUND_NOT_BOOKED = Event("store", "order %s: its refund is not in the ledger: %s")
ORDERS_NOT_DELETED = Event("store", "old orders could not be forgotten: %s")
POLL_BUG = Event("bug_retried", "a bug ended a look at the waiting numbers")
POLL_FAILED = Event("upstream", "the numbers of %s are not looked after: %s")
SOCKET_BUG = Event("socket_bug", "order %s: a bug ended its socket")
SOCKETS_UNREACHABLE = Event("no_sockets", "no sockets can be opened: orders are polled for a while")
NOTHING_BOUGHT = Event("store", "no purchase: the store cannot be written: %s")
ORDER_NOT_SAVED = Event("store", "order %s is paid and could not be kept: %s")
ORDER_WITHHELD = Event("store", "order %s is not handed out: the store: %s")
PURCHASE_TAKEN_OVER = Event("purchase_taken_over", "purchase %s is another replica's: %s")
PURCHASE_NOT_CLOSED = Event("store", "purchase %s is still open in the store: %s")
PURCHASE_NOT_SHARED = Event("database", "other replicas wait for purchase %s: %s")
PURCHASES_UNCLEAR = Event("upstream", "unclear purchases of %s: %s")
NO_ORDER_MADE = Event("no_order_made", "purchase %s made no order")
ORDER_UNFOUND = Event("order_unfound", "purchase %s may have made an order: no list to find it")
UNCLAIMED_CANCELLED = Event(
    "unclaimed_cancelled", "order %s: nobody was told about it; it is cancelled"
)
CANCEL_FAILED = Event("cancel_retried", "order %s: not cancelled yet: %s")
IN_DOUBT = Event(
    "in_doubt", "order %s: it is in doubt whether its client has it; a request with its id decides"
)
DOUBT_CANCELLED = Event(
    "doubt_cancelled", "order %s: in doubt, and nobody named it; it is cancelled"
)
CHARGED_IN_DOUBT = Event(
    "charged_in_doubt", "order %s: charged and in doubt: an SMS came, and nobody named it"
)
DELIVERY_NOT_SAVED = Event("store", "order %s: its client has it, which is not written yet: %s")
DELIVERED_TOO_LATE = Event(
    "delivered_too_late", "order %s: its client was told, and it is given back: another replica"
)
WRONG_COUNTRY = Event("wrong_country", "order %s is not handed out: no number of %s")
OVER_MAX_PRICE = Event("charged_over_price", "order %s is not handed out: charged over the cap")
OVER_LIMIT = Event(
    "charged_over_limit", "order %s is not handed out: a ceiling is passed without it"
)
FOREIGN_ORDERS = Event("key_shared", "no order is adopted: some are another program's: %d")
KEY_SHARED = Event("key_shared", "another program buys with %s: unclear purchases are not adopted")
CANCEL_NOT_SCHEDULED = Event("store", "order %s: no promise: the store: %s")
CANCEL_TOO_LATE = Event(
    "cancel_too_late", "order %s: charged, the promised cancel came too late: %s"
)
CANCEL_BUG = Event("bug_retried", "order %s: a bug kept its cancel from being sent")
CANCEL_NOT_CLOSED = Event("store", "order %s: its promise is still in the store: %s")
RETRY_REFUSED = Event("retry_refused", "order %s: the wait for one more SMS stands: %s")
ANSWER_BUG = Event("bug", "a bug; the client was told to try again")
FORWARDS_DROPPED = Event("forwards_dropped", "forwards to %s: too many wait, dropped: %d")
FORWARD_BUG = Event("bug_retried", "a bug kept forwards to %s")
FORWARDS_UNREAD = Event("store", "forwards to %s: the store: %s")
EVENT_REFUSED = Event("store", "an event is not taken in: the store: %s")
NO_WEBHOOKS = Event("no_webhooks", "no events for %s, its orders are read without: %s")
WEBHOOK_REPLACED = Event("webhook_replaced", "webhook %s of %s is made anew: its secret is lost")
OPERATIONS_UNKNOWN = Event("database", "what other replicas owe is not known: %s")
TAKEOVER_BUG = Event("bug_retried", "a bug ended a look at what replicas owe")
ORDER_MISSING = Event("bug", "%s is owed for an order that the store has not")
CHANGES_UNKNOWN = Event("database", "what other replicas did is not known yet: %s")
CHANGE_BUG = Event("change_bug", "a bug kept a change of another replica")
LISTENER_BUG = Event("listener_bug", "a bug keeps the replicas from being heard; it is tried again")
WRITE_FAILED = Event("store", "not written: %s")
WRITE_BUG = Event("bug", "a bug kept a write from the store")
WRITE_INVALID = Event("bug", "this can never be written: %s")
WRITE_DROPPED = Event("store", "too much waits to be written: the oldest of it is lost")
WRITES_LOST = Event("store", "the store cannot be written: writes that are lost: %d")
LOG_NOT_EMPTIED = Event("store", "what was deleted is still in the write-ahead log: %s")
DESCRIPTORS_USED_UP = Event(
    "descriptors_used_up", "all descriptors for clients are taken: %d; more are closed"
)
NOT_A_SETTING = Event("not_a_setting", "not a setting, ignored: %s")
RELOAD_REFUSED = Event("reload_refused", "nothing is reloaded: %s")
RELOAD_BUG = Event("bug", "a bug ended a reload; nothing is reloaded")
RESTART_NEEDED = Event("restart_needed", "a restart is needed for a change of: %s")
TASK_FAILED = Event("bug", "task failed: %s")
TASK_RESTARTED = Event("bug_retried", "task failed, it starts again in %d s: %s")
CLOSE_FAILED = Event("close_failed", "%s failed to close")
