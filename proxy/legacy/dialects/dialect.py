"""What makes a dialect: its words, its shapes and a few choices. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.legacy import answers
from proxy.legacy.answers import Answer
from proxy.legacy.shapes import Shapes
from proxy.model import money
from proxy.model.errors import Problem, ProblemError


@dataclass(frozen=True, slots=True)
class Word:
    """A refusal: bare text, or with `details` the JSON envelope of HeroSMS."""

    text: str
    status: int = 200
    details: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dialect:
    """`{price}` in a word is the real price in dollars."""

    name: str
    host: str
    """A Host header with this in it means the dialect, for programs repointed by a hosts file."""
    words: Mapping[Problem, str | Word]
    """A row for every Problem."""
    words_of: Mapping[str, Mapping[Problem, str | Word]] = field(default_factory=dict)
    """By action, where its clients know no other word."""
    refused: Mapping[str, str | Word] = field(default_factory=dict)
    """Actions that the upstream has nothing for, with their honest refusal."""
    shapes: Shapes = field(default_factory=Shapes)
    key_header: tuple[str, str] | None = None
    """A header that may carry the key, and what stands before the key in it."""
    services: str = ""
    """The table in mappings/ that its service codes stand in; none: the plain one."""
    country: int | None = None
    """The one country that it knows; a client's `country` is then not looked at."""
    defers_cancel: bool = False
    """An early cancel is accepted, and carried out when the upstream allows it."""

    def refuse(self, error: ProblemError, action: str = "") -> Answer:
        word = self.words_of.get(action, {}).get(error.problem) or self.words[error.problem]
        return written(word, error.cents or 0)


def written(word: str | Word, cents: int = 0) -> Answer:
    """The answer that a word is; in an envelope a price is a number."""
    if isinstance(word, str):
        return answers.text(word.replace("{price}", money.dollars(cents)))
    if not word.details:
        return Answer(word.text.encode(), status=word.status)
    info = {
        name: money.as_number(cents) if value == "{price}" else value
        for name, value in word.info.items()
    }
    body = {"title": word.text, "details": word.details, "info": info or None}
    return answers.json(body).with_status(word.status)
