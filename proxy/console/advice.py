"""What to do about each problem that clients get, and about each warning of the log. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

UNKNOWN = "The log has the whole line; if it happens again, report it."

# Keyed by the name of the Problem.
PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "NO_KEY": "The program sends no api_key: set its key.",
        "BAD_ACTION": "No such action, or one that its key may not use: see the README's table.",
        "BAD_COUNTRY": "Not a country of mappings/countries.yaml, or one its key may not use.",
        "BAD_STATUS": "This state does not allow the step that the program asked for.",
        "BAD_PARAMETER": "A parameter cannot be read: try the same request in the form below.",
        "BAD_CURRENCY": "All money is in US dollars: let the program send no currency, or 840.",
        "BAD_DATE": "A history covers at most thirty days, given as Unix times.",
        "ORDER_EXISTS": "The program repeated an orderId that has a number; no harm is done.",
        "UNSUPPORTED_WISH": "The program asked for what is not sold here, such as a rent.",
        "CODE_RECEIVED": "A code came before the cancel: the number is paid for.",
        "NOT_ACTIVE": "The activation was cancelled or has expired; nothing was charged.",
        "PAUSED": "The key is paused or has expired: see keys in the configuration.",
        "TOO_MANY_ACTIVE": "The key has its limit of active numbers: finish some, or raise it.",
        "BAD_KEY": "The key is wrong: check the program's key, or upstream_key in keys.",
        "BAD_SERVICE": "Not a service of the tables, or one its key may not use.",
        "NO_ACTIVATION": "The key has no such activation: the program may mix up keys or ids.",
        "NOTHING_TO_CANCEL": "The key has no such activation to cancel.",
        "NO_BALANCE": "Top up the VirtualSMS account, or raise the key's spending limit.",
        "NO_NUMBERS": "None in stock: another country or a higher maxPrice may have some.",
        "PRICE_TOO_HIGH": "The number costs more than maxPrice, or the key's own max_price.",
        "EARLY_CANCEL": "The upstream allows a cancel two minutes after a purchase; early_cancel: "
        "defer accepts it at once and schedules it.",
        "ALREADY_CANCELLED": "It was cancelled before; no harm is done.",
        "CANNOT_CANCEL": "The upstream no longer cancels it.",
        "RETRY_REFUSED": "The upstream sends no further SMS to this number.",
        "RATE_LIMITED": "The minute's requests are used up: ask less often, or use another key.",
        "TRY_AGAIN": "The upstream did not answer in time: check that it is up; programs retry.",
        "UNCLEAR": "The result of a request is unknown: the order list is read until it is known; "
        "programs retry.",
    }
)

# Keyed by the code of an event of runtime/log_events.py.
LOGGED: Mapping[str, str] = MappingProxyType(
    {
        "store": "Check that the disk is writable and not full: nothing is bought until the "
        "store can be written.",
        "database": "Check that PostgreSQL can be reached: numbers are sold again when it is back.",
        "upstream_out": "Programs are told to try again, and nothing that was bought is lost. Run "
        "virtualsms-proxy doctor: it says what fails, the network, the key or the upstream.",
        "upstream": "The upstream fails: do nothing if it recovers soon.",
        "bug": "Report it with the lines of the log.",
        "bug_retried": "Report it; the proxy retries by itself.",
        "limit_lower": "The upstream allows fewer requests than configured: set "
        "upstream.requests_per_minute to its limit if that lasts.",
        "rate_limited": "Another program uses the same key: give each program its own, or lower "
        "upstream.requests_per_minute.",
        "rows_unreadable": "The others are used. The upstream changed its format: report it.",
        "cache_unreadable": "It is read from the upstream again.",
        "wrong_country": "The upstream sold a number of another country; it is cancelled. This "
        "service is not bought in this country for ten minutes.",
        "charged_over_price": "The upstream charged more than its price; the number is cancelled.",
        "charged_over_limit": "The upstream charged more than its price, over the key's limit; the "
        "number is cancelled.",
        "retry_refused": "The upstream refused another SMS; one may still come.",
        "socket_bug": "Report it; the order is polled instead.",
        "no_sockets": "Codes come seconds later. Check that upstream.websocket_url can be reached.",
        "cancel_too_late": "An SMS came before the cancel: the number is paid for.",
        "cancel_retried": "The proxy retries by itself.",
        "unclaimed_cancelled": "The money comes back. If this is frequent, programs give up too "
        "early: set their timeout to 15 seconds.",
        "in_doubt": "Do nothing: the program asks for its number by its id or orderId, or it is "
        "given back. Stop the proxy with SIGTERM to have none.",
        "doubt_cancelled": "The money comes back. A program that has the number did not ask for it "
        "in time: see orphan.reuse_seconds.",
        "charged_in_doubt": "The upstream keeps the money. If the program asks for the number, it "
        "gets the code.",
        "delivered_too_late": "This replica did not answer for so long that others took it for "
        "dead: find out why.",
        "descriptors_used_up": "Find out who opens so many connections, or raise the limit of "
        "open files.",
        "not_a_setting": "Correct the name in the environment, or unset it.",
        "reload_refused": "What ran goes on. Mend what the line names, and reload again.",
        "restart_needed": "The rest of the configuration is in use. Restart when it suits you.",
        "key_shared": "Give each program its own key: then the proxy can find a lost purchase.",
        "order_unfound": "The upstream gives no order list: see its own site; an unused order is "
        "refunded when it expires.",
        "no_order_made": "Nothing was charged; the program was told to try again.",
        "no_order_list": "Codes come a little later, and a lost purchase cannot be found. Run "
        "doctor; ask the vendor for the order list.",
        "no_order_reads": "Codes come only by sockets and events. Run doctor.",
        "forwards_dropped": "Find out why the target does not answer.",
        "no_webhooks": "The upstream has no webhooks for the account, or refuses public_url; "
        "nothing depends on them.",
        "webhook_replaced": "Do nothing.",
        "close_failed": "Report it; everything else was closed.",
        "listener_bug": "Report it; until then changes of other replicas are read on request.",
        "change_bug": "Report it; the order is read on request.",
        "purchase_taken_over": "This replica did not answer for so long that others took it for "
        "dead: find out why.",
    }
)
