"""The problems that programs got, in groups: how often, since when, and what was sent. Pure."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import NamedTuple

MAX_GROUPS = 100
"""Groups of programs, and again of keys without a program: whatever strangers send, the groups of
programs stay. The one that was longest without a new problem goes first.
"""


class GroupKey(NamedTuple):
    """`program` is a name, the fingerprint of a key, or "" without a key. `action` is "other" if it
    is not served. `sent` is without values that differ each time, such as ids.
    """

    program: str
    dialect: str
    problem: str
    action: str
    sent: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem that a client got. No text in it has a key or an SMS."""

    key: GroupKey
    has_program: bool
    at: float
    """On this machine's clock."""
    word: str
    """What the client read."""
    sent: str
    """The wrong parameters, as in "service=telegram"; "" if none is wrong."""
    detail: str
    request: str
    """The request's id."""
    pair: tuple[str, str | None] | None = None
    """Service and country of a purchase, as they were sent; None of another request."""


@dataclass(frozen=True, slots=True)
class Group:
    """Refusals that are alike."""

    last: Refusal
    count: int
    first_at: float


class ProblemGroups:
    def __init__(self) -> None:
        self._of_programs: OrderedDict[GroupKey, Group] = OrderedDict()
        self._of_strangers: OrderedDict[GroupKey, Group] = OrderedDict()

    def add(self, refusal: Refusal) -> None:
        groups = self._of_programs if refusal.has_program else self._of_strangers
        if group := groups.get(refusal.key):
            groups[refusal.key] = replace(group, last=refusal, count=group.count + 1)
            groups.move_to_end(refusal.key)
            return
        if len(groups) >= MAX_GROUPS:
            groups.popitem(last=False)
        groups[refusal.key] = Group(refusal, 1, refusal.at)

    def newest(self) -> list[Group]:
        """All groups; the one with the newest problem first."""
        parts = self._of_programs, self._of_strangers
        groups = [group for part in parts for group in reversed(part.values())]
        return sorted(groups, key=lambda group: -group.last.at)
