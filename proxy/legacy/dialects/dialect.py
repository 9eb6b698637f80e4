"""Dialect: its words, its shapes and a few switches. Pure."""

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
    """A refusal: plain text, or HeroSMS's JSON envelope if it has `details`."""

    text: str
    status: int = 200
    details: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dialect:
    """In a word, `{price}` stands for the real price in dollars, `{parameter}` for the name of the
    wrong parameter.
    """

    name: str
    host: str
    """A Host header that contains this selects the dialect: programs repointed by a hosts file."""
    words: Mapping[Problem, str | Word]
    """A row for every Problem."""
    words_of: Mapping[str, Mapping[Problem, str | Word]] = field(default_factory=dict)
    """Other words for single actions, by action."""
    refused: Mapping[str, str | Word] = field(default_factory=dict)
    """Actions that the upstream cannot serve, with the word that says so."""
    open: frozenset[str] = frozenset()
    """Actions that are answered without a key, from what is known."""
    shapes: Shapes = field(default_factory=Shapes)
    key_header: tuple[str, str] | None = None
    """A header that may have the key, and the text before the key in it."""
    services: str = ""
    """The table of mappings/ that has its service codes; "" is services.yaml."""
    country: int | None = None
    """The id of its only country; a client's `country` is then ignored."""
    defers_cancel: bool = False
    """An early cancel is accepted, and carried out when the upstream allows it."""

    def refuse(self, error: ProblemError, action: str = "") -> Answer:
        word = self.words_of.get(action, {}).get(error.problem) or self.words[error.problem]
        return refusal(word, error.cents or 0, error.parameter)

    def word(self, problem: Problem, action: str = "") -> str:
        """What a client reads first: without the price, and of JSON the title."""
        word = self.words_of.get(action, {}).get(problem) or self.words[problem]
        return (word.text if isinstance(word, Word) else word).partition(":")[0]


def refusal(word: str | Word, cents: int = 0, parameter: str = "") -> Answer:
    """A word as an answer. `cents` is the real price; in JSON it is a number of dollars.
    `parameter` is the name of the wrong parameter.
    """
    if isinstance(word, str):
        return answers.text(word.replace("{price}", money.dollars(cents)))
    if not word.details:
        return Answer(word.text.encode(), status=word.status)
    info = {name: _filled(value, cents, parameter) for name, value in word.info.items()}
    body = {"title": word.text, "details": word.details, "info": info or None}
    return answers.json(body, word.status)


def _filled(value: Any, cents: int, parameter: str) -> Any:
    if value == "{price}":
        return money.as_number(cents)
    return value.replace("{parameter}", parameter) if isinstance(value, str) else value
