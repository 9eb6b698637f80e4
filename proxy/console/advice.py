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

# By the code of an event of runtime/log_events.py.
LOGGED: Mapping[str, str] = MappingProxyType(
    {
        "store": "See if the disk is full or not writable: nothing is bought until the store can "
        "be written.",
        "database": "See if PostgreSQL can be reached: numbers are sold again when it is back.",
        "upstream": "The upstream fails: nothing need be done if it stops soon.",
        "bug": "Report it with the lines of the log.",
        "bug_retried": "Report it; it is tried again by itself.",
        "limit_lower": "The upstream allows less than expected: "
        "set upstream.requests_per_minute to it if that lasts.",
        "rate_limited": "Another program uses the key, too: "
        "give each its own, or lower upstream.requests_per_minute.",
        "rows_unreadable": "The others stand. The upstream writes these otherwise than is known: "
        "report it.",
        "cache_unreadable": "It is read anew from the upstream.",
        "wrong_country": "The upstream sold a number of another country; it goes back. The pair is "
        "closed for ten minutes.",
        "charged_over_price": "The upstream charged more than it said; the number goes back.",
        "charged_over_limit": "The upstream charged more than it said, and the key's limit is "
        "reached; the number goes back.",
        "retry_refused": "The upstream refused a further SMS; one may come all the same.",
        "socket_bug": "Report it; the order is polled instead.",
        "no_sockets": "Codes come seconds later. See if upstream.websocket_url can be reached.",
        "cancel_too_late": "An SMS came before the cancel: the number is paid for.",
        "cancel_retried": "It is tried again by itself.",
        "unclaimed_cancelled": "The money comes back. If it is frequent, programs give up too "
        "early: give them 15 seconds.",
        "descriptors_used_up": "See who opens so many connections, or raise the limit of open "
        "files.",
        "sighup_ignored": "A terminal was closed, or somebody wanted a reload: restart the proxy.",
        "key_shared": "Give each program a key of its own: then a lost purchase can be found "
        "again.",
        "order_unfound": "The upstream gives no list of orders: see its own pages; an unused order "
        "is refunded when its time is over.",
        "no_order_made": "Nothing was charged; the program has been told to try again.",
        "no_order_list": "Codes come a little later, and what a lost purchase made cannot be "
        "found. Run doctor; ask the vendor for the order list.",
        "no_order_reads": "Codes come by sockets and events alone. Run doctor.",
        "forwards_dropped": "See why the target does not answer.",
        "no_webhooks": "The upstream has no webhooks for the account, or refuses public_url; "
        "nothing depends on them.",
        "webhook_replaced": "Nothing need be done.",
        "close_failed": "Report it; everything else was closed.",
        "listener_bug": "Report it; until then what another replica does is known when it is "
        "asked for.",
        "change_bug": "Report it; the order is read when asked for.",
        "purchase_taken_over": "This replica was away for long enough to be taken for dead: see "
        "what held it up.",
    }
)
