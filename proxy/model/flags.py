"""What once is true of an activation, and stays true. Pure."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True, kw_only=True)
class ActivationFlags:
    """Each is a column of the store's `orders` with that name. A new one needs a line here, and a
    step in store/schema.py that adds its column.
    """

    delivered: bool | None = None
    """A client has heard of the number; None: it was not bought here."""
    finished: bool = False
    """Its client has finished it."""
    cancelling: bool = False
    """Its client was promised a cancel: whatever comes, it sees a cancelled activation."""
    confirmed: bool = False
    """The end was said by the order itself; a row of the list could hide an SMS."""

    def flags(self) -> dict[str, Any]:
        """By name, each True or False."""
        return {name: bool(getattr(self, name)) for name in FLAGS}

    def merge_flags(self, other: "ActivationFlags") -> None:
        """What the other has is true of both."""
        for name in FLAGS:
            setattr(self, name, bool(getattr(self, name) or getattr(other, name)))


FLAGS = tuple(field.name for field in fields(ActivationFlags))
