"""The flags of an activation, which stay true once they are true. Pure."""

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any


@dataclass(slots=True, kw_only=True)
class ActivationFlags:
    """Each flag is a column of the store's table `orders` with that name, save `delivered`, which
    is `told` there. A new flag needs a field here and a step in store/schema.py for its column.
    """

    delivered: bool | None = None
    """A client has received the number; None: it was not bought by this proxy."""
    finished: bool = False
    """Its client has finished it by setStatus."""
    cancelling: bool = False
    """A cancel is scheduled: from now on its client sees a cancelled activation."""
    confirmed: bool = False
    """A read of the order itself showed its end; a row of the list cannot: it has no SMS."""
    doubted: bool = False
    """A process ended, or an answer failed, when the client may have received the number."""

    def flags(self) -> dict[str, Any]:
        """The flags by name; None becomes False."""
        return {name: bool(getattr(self, name)) for name in FLAGS}

    def merge_flags(self, other: "ActivationFlags") -> None:
        """Sets each flag that `other` has."""
        for name in FLAGS:
            setattr(self, name, bool(getattr(self, name) or getattr(other, name)))


FLAGS = tuple(field.name for field in fields(ActivationFlags))

flag_values = attrgetter(*FLAGS)
"""The flags of an activation as a tuple: each repeated answer compares it."""
