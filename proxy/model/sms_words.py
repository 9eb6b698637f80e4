"""The words by which the code of an SMS is found. Pure; `mappings/sms_words.yaml` has them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

KINDS = (
    "code",
    "link",
    "secret",
    "verify",
    "use",
    "reference",
    "other",
    "call",
    "card",
    "currency",
    "unit",
    "promotion",
    "never",
)
"""The kinds of words, each a heading of `sms_words.yaml`, which says what they mean."""


@dataclass(frozen=True, slots=True)
class SmsWords:
    """Plain words by kind, of all languages together; a kind without words is missing."""

    kinds: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, table: Mapping[str, Mapping[str, Iterable[str] | None]]) -> "SmsWords":
        """The words of a table by kind, then by language; None stands for no words."""
        return cls(
            {
                kind: frozenset(word for words in rows.values() for word in words or ())
                for kind, rows in table.items()
            }
        )

    @property
    def count(self) -> int:
        return sum(map(len, self.kinds.values()))
