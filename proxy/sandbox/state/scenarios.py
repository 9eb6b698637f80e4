"""The scenarios: what happens to an order without interference, by its service code."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Scenario:
    """`text` may use {name}, {code} (six digits), {code5}, {dashed} and {letters}.

    Delays are seconds. `first` counts from the purchase (None: the sandbox's `sms_after`), `again`
    from the first SMS, `refunded` from the purchase. A `retry` of the order brings a further code
    `sms_after` seconds later.
    """

    story: str
    text: str | None = "{name}: {code} is your verification code. Do not share it."
    first: float | None = None
    again: tuple[float, ...] = ()
    retry: bool = True
    stocked: bool = True
    refunded: float | None = None


ORDINARY = Scenario("a code of six digits; another one after a retry")

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "tg": Scenario("a code of five digits", "Telegram code: {code5}"),
        "wa": Scenario("a code with a dash", "Your WhatsApp code: {dashed}"),
        "go": Scenario("a code behind letters", "G-{code} is your Google verification code."),
        "mt": Scenario("a code of letters and digits", "{letters} is your Steam Guard code."),
        "ig": Scenario("a code, and another after a retry", "{code} is your Instagram code."),
        "fb": Scenario("two codes, unasked, 5 s apart", "{code} is your Facebook code", again=(5,)),
        "ds": Scenario("a code; a retry brings nothing", retry=False),
        "ub": Scenario("an SMS without any code", "Welcome! Your account is ready.", retry=False),
        "mm": Scenario("a code after 30 s", "Use {code} as your security code", first=30),
        "vk": Scenario("never an SMS: expires after 20 min, refunded", text=None),
        "ma": Scenario("no SMS: the operator refunds it after 10 s", text=None, refunded=10),
        "ok": Scenario("out of stock in every country", stocked=False),
    }
)


def scenario_of(service: str) -> Scenario:
    return SCENARIOS.get(service, ORDINARY)


def sms_text(text: str, service_name: str, order_id: str, number: int) -> str:
    """Returns the text of the order's SMS with this number (0 is the first), with its own code."""
    digest = hashlib.blake2b(f"{order_id}:{number}".encode(), digest_size=8).digest()
    drawn = int.from_bytes(digest)
    code = f"{drawn % 900_000 + 100_000}"
    alphabet = "BCDFGHJKMNPQRTVWXY"  # no vowels, nothing that looks like a digit
    tail = "".join(alphabet[drawn >> shift & 15] for shift in (20, 24, 28))
    return text.format(
        name=service_name,
        code=code,
        code5=code[:5],
        dashed=f"{code[:3]}-{code[3:]}",
        letters=f"{code[0]}{tail}{code[1]}",
    )
