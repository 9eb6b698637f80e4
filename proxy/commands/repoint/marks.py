"""What is found in the text of a file. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum, auto


class Kind(StrEnum):
    ADDRESS = auto()
    """A whole address with handler_api.php: nothing else is needed to repoint it."""
    BASE = auto()
    """An address without handler_api.php, which the program adds."""
    HOST = auto()
    """A host without `https://`."""
    PATH = auto()
    """A path with handler_api.php, whose host is elsewhere."""
    SCHEME = auto()
    """`https` of an address that the program puts together."""
    OTHER = auto()
    """An address of another API of an old site."""
    PACKAGE = auto()
    ACTION = auto()
    CURRENCY = auto()


@dataclass(slots=True)
class Mark:
    """`start` and `end` are the place in the text, `line` counts from 1. `stands` is what stands
    there, `write` what to write instead, or advice; with `is_patched` the patch writes it.
    """

    start: int
    end: int
    line: int
    kind: Kind
    stands: str
    dialect: str = ""
    write: str = ""
    is_patched: bool = False
    is_shared: bool = False
    """Of a site with another protocol, too."""
    context: str = ""
    """Of a HOST: the name that it is given to. Of a SCHEME: what follows it in its line."""
    is_weak: bool = False
    """Means something only in a file that speaks to an old site."""


@dataclass(slots=True)
class FileMarks:
    """`is_text` is False for a file that is read, but not patched, such as UTF-16. `has_own` says
    that an address of the proxy is in it.
    """

    name: str
    marks: list[Mark] = field(default_factory=list)
    is_text: bool = True
    has_own: bool = False

    def of(self, *kinds: Kind) -> list[Mark]:
        return [mark for mark in self.marks if mark.kind in kinds]
