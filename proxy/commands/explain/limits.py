"""What a program has used of its limits, by the running proxy's store, which it only reads."""

from dataclasses import dataclass

from proxy.endpoint.explain.limits import fixed, is_limited, over, spending, used_up
from proxy.model import ClientKey, Limits
from proxy.model.errors import Problem, ProblemError, StoreError
from proxy.store import (
    OperationKind,
    PendingOperation,
    ReadOnlyStore,
    file_of,
    is_postgres,
    open_read_only,
)


@dataclass(frozen=True, slots=True)
class StoredUsage:
    """`store` is its address."""

    store: str

    async def described(self, limits: Limits, key: ClientKey | None, now: float) -> str:
        texts = list(fixed(limits))
        try:
            texts += used_up(limits, *self._used(limits, key, now))
        except StoreError as error:
            texts += [*used_up(limits, None, None), f"how much is used is not known: {error}"]
        return "; ".join(texts) or "none"

    async def check(self, limits: Limits, key: ClientKey | None, cents: int, now: float) -> None:
        if key is None or not is_limited(limits) or not self._exists:
            return
        purchase = PendingOperation("", OperationKind.PURCHASE, key, "", "", now, cents=cents)
        try:
            with open_read_only(self.store) as seen:
                problem = seen.refusal(purchase, spending(limits, now))
        except StoreError as error:
            raise ProblemError(Problem.TRY_AGAIN, str(error)) from error
        if problem:
            raise over(problem, limits)

    def _used(
        self, limits: Limits, key: ClientKey | None, now: float
    ) -> tuple[int | None, tuple[int, int] | None]:
        """The numbers that a key holds, and its cents of today and of this month; None without a
        key. Raises StoreError.
        """
        if key is None:
            return None, None
        if not self._exists:
            return 0, (0, 0)
        with open_read_only(self.store) as seen:
            return _used(seen, limits, key, now)

    @property
    def _exists(self) -> bool:
        """Whether there is a store: before its first start a proxy has spent nothing."""
        if is_postgres(self.store):
            return True
        path = file_of(self.store)
        return path is not None and path.exists()


def _used(
    seen: ReadOnlyStore, limits: Limits, key: ClientKey, now: float
) -> tuple[int, tuple[int, int]]:
    """Only what is limited is read: an older store lacks tables."""
    held = 0 if limits.active is None else seen.held(key.hash, now)
    day, month = limits.since(now)
    of_day = 0 if limits.per_day is None else seen.spent(key.hash, day)
    of_month = 0 if limits.per_month is None else seen.spent(key.hash, month)
    return held, (of_day, of_month)
