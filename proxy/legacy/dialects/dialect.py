"""What makes a dialect: its name and its words for every Problem. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.errors import Problem, ProblemError
from proxy.legacy import answers
from proxy.legacy.answers import Answer


@dataclass(frozen=True, slots=True)
class Dialect:
    """`words` has a row for every Problem; `{price}` in a word is the real price in dollars."""

    name: str
    words: Mapping[Problem, str]

    def refuse(self, error: ProblemError) -> Answer:
        word = self.words[error.problem]
        return answers.text(word.replace("{price}", answers.dollars(error.cents or 0)))
