"""What to do about each problem that clients hear of, and about each line of the log. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

UNKNOWN = "The log has the whole line; if it comes again, report it."

# By the name of the Problem.
PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "NO_KEY": "The program sends no api_key: set its key.",
        "BAD_ACTION": "No such action, or one that its key may not use: see the README's table.",
        "BAD_COUNTRY": "Not a country of mappings/countries.yaml, or one its key may not use.",
        "BAD_STATUS": "The program asked for a step that this state does not have.",
        "BAD_PARAMETER": "A parameter that cannot be read: try the same request in the box below.",
        "BAD_DATE": "A history of at most thirty days, as Unix times, can be asked for.",
        "ORDER_EXISTS": "The program repeated an orderId whose number it has; no harm is done.",
        "UNSUPPORTED_WISH": "The program wishes what cannot be bought here, such as a rent.",
        "CODE_RECEIVED": "A code came before the cancel: the number is paid for.",
        "PAUSED": "The key is paused or its time is over: see keys in the configuration.",
        "TOO_MANY_ACTIVE": "The key holds as many numbers as it may: finish some, or raise it.",
        "BAD_KEY": "The key is wrong: check the program's key, or upstream_key in keys.",
        "BAD_SERVICE": "Not a service of the tables, or one its key may not use.",
        "NO_ACTIVATION": "The key has no such activation: the program may mix up keys or ids.",
        "NOTHING_TO_CANCEL": "The key has no such activation to cancel.",
        "NO_BALANCE": "Top up the VirtualSMS account, or raise the key's ceiling of spending.",
        "NO_NUMBERS": "None in stock: another country may have some, or a higher maxPrice.",
        "PRICE_TOO_HIGH": "The number costs more than maxPrice, or the key's own max_price.",
        "EARLY_CANCEL": "Cancels are allowed two minutes after a purchase; early_cancel: defer "
        "accepts them at once and keeps them later.",
        "ALREADY_CANCELLED": "It was cancelled before; no harm is done.",
        "CANNOT_CANCEL": "The upstream does not cancel it any more.",
        "RETRY_REFUSED": "The upstream sends no further SMS to this number.",
        "RATE_LIMITED": "The minute's requests are used up: ask less often, or use another key.",
        "TRY_AGAIN": "The upstream did not answer in time: see if it is up; programs try again.",
        "UNCLEAR": "It is not known what came of a request: the order list is looked at until it "
        "is; programs try again.",
    }
)

_DISK = "See if the disk is full or not writable: nothing is bought until the store can be written."
_DATABASE = "See if PostgreSQL can be reached: numbers are sold again when it is back."
_LATER = "The upstream fails: nothing need be done if it stops soon."

# By the line as it stands in the code.
LOGGED: Mapping[str, str] = MappingProxyType(
    {
        "%s: allowed to %s in a minute: %d": "The upstream allows less than expected: "
        "set upstream.requests_per_minute to it if that lasts.",
        "%s: the upstream refuses %s: too many requests": "Another program uses the key, too: "
        "give each its own, or lower upstream.requests_per_minute.",
        "%s: what was spent is not known: %s": _DISK,
        "nothing is known of the catalogue: %s": _DISK,
        "%s: rows that cannot be read: %d of %d": "The others stand. The upstream writes these "
        "otherwise than is known: report it.",
        "the store's %s cannot be read: %s": "It is read anew from the upstream.",
        "no prices yet after %d s": _LATER,
        "the price sweep pauses: %s": _LATER,
        "order %s: the upstream is slow, its last state stands": _LATER,
        "the activations known stand: %s": _LATER,
        "a bug; the client was told to try again": "Report it with the lines of the log.",
        "order %s is not handed out: no number of %s": "The upstream sold a number of another "
        "country; it goes back. The pair is closed for ten minutes.",
        "order %s is not handed out: charged over the cap": "The upstream charged more than it "
        "said; the number goes back.",
        "order %s: the wait for one more SMS stands: %s": "The upstream refused a further SMS; one "
        "may come all the same.",
        "order %s: a bug ended its socket": "Report it; the order is polled instead.",
        "no sockets can be opened: orders are polled for a while": "Codes come seconds later. "
        "See if upstream.websocket_url can be reached.",
        "order %s: no promise: the store: %s": _DISK,
        "order %s: charged, the promised cancel came too late: %s": "An SMS came before the "
        "cancel: the number is paid for.",
        "order %s: a bug kept its cancel from being sent": "Report it; it is tried again.",
        "order %s: its promise is still in the store: %s": _DISK,
        "not written: %s": _DISK,
        "all descriptors for clients are taken: %d; more are closed": "See who opens so many "
        "connections, or raise the limit of open files.",
        "SIGHUP is ignored: a change of the configuration needs a restart": "A terminal was closed,"
        " or somebody wanted a reload: restart the proxy.",
        "old orders could not be forgotten: %s": _DISK,
        "orders could not be kept: %s": _DISK,
        "order %s: its refund is not in the ledger: %s": _DISK,
        "no purchase: the store cannot be written: %s": _DISK,
        "order %s is paid and could not be kept: %s": _DISK,
        "order %s is not handed out: the store: %s": _DISK,
        "purchase %s is still open in the store: %s": _DISK,
        "no order is adopted: some are another program's: %d": "Another program buys with the "
        "key: give each its own.",
        "another program buys with %s: unclear purchases are not adopted": "Give each program a "
        "key of its own: then a lost purchase can be found again.",
        "unclear purchases of %s: %s": _LATER,
        "purchase %s may have made an order: no list to find it": "The upstream gives no list of "
        "orders: see its own pages; an unused order is refunded when its time is over.",
        "%s: orders are read one by one: no order list: %s": "Codes come a little later, and what "
        "a lost purchase made cannot be found. Run doctor; ask the vendor for the order list.",
        "%s: neither its list nor its orders can be read: %s": "Codes come by sockets and events "
        "alone. Run doctor.",
        "purchase %s made no order": "Nothing was charged; the program has been told to try again.",
        "order %s: nobody was told about it; it is cancelled": "The money comes back. If it is "
        "frequent, programs give up too early: give them 15 seconds.",
        "order %s: not cancelled yet: %s": "It is tried again by itself.",
        "order %s is not handed out: a ceiling is passed without it": "The upstream charged more "
        "than it said, and the key's ceiling is reached; the number goes back.",
        "forwards to %s: too many wait, dropped: %d": "See why the target does not answer.",
        "a bug kept forwards to %s": "Report it; they are tried again.",
        "forwards to %s: the store: %s": _DISK,
        "an event is not taken in: the store: %s": _DISK,
        "a bug ended a look at the waiting numbers": "Report it; the next look comes by itself.",
        "the numbers of %s are not looked after: %s": _LATER,
        "no events for %s, its orders are read without: %s": "The upstream has no webhooks for the "
        "account, or refuses public_url; nothing depends on them.",
        "webhook %s of %s is made anew: its secret is lost": "Nothing need be done.",
        "task failed: %s": "Report it with the lines of the log.",
        "task failed, it starts again in %d s: %s": "Report it; it starts again by itself.",
        "%s failed to close": "Report it; everything else was closed.",
        "a bug keeps the replicas from being heard; it is tried again": "Report it; until then "
        "what another replica does is known when it is asked for.",
        "a bug kept a write from the store": "Report it with the lines of the log.",
        "a bug ended a look at what replicas owe": "Report it; the next look comes by itself.",
        "a bug kept a change of another replica": "Report it; the order is read when asked for.",
        "what was deleted is still in the write-ahead log: %s": _DISK,
        "this can never be written: %s": "Report it with the lines of the log.",
        "too much waits to be written: the oldest of it is lost": _DISK,
        "the store cannot be written: writes that are lost: %d": _DISK,
        "what other replicas did is not known yet: %s": _DATABASE,
        "the orders of other programs are not known: %s": _DATABASE,
        "what other replicas owe is not known: %s": _DATABASE,
        "%s: a safe share of its requests is left: %s": _DATABASE,
        "other replicas wait for purchase %s: %s": _DATABASE,
        "purchase %s is another replica's: %s": "This replica was away for long enough to be taken "
        "for dead: see what held it up.",
        "%s is owed for an order that the store has not": "Report it with the lines of the log.",
    }
)
