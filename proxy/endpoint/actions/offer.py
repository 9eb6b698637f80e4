"""The catalogue as one call may see it: read for a key that the upstream takes, else as cached."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from proxy.endpoint.actions.call import Call
from proxy.model import ClientKey, Market, Price, Service
from proxy.upstream.cache import Cached
from proxy.upstream.catalogue import Catalogue, Matrix
from proxy.upstream.key_proofs import KeyProofs, Proof

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Offer:
    """Each method returns None if nothing is cached and no key was sent. Raises ProblemError if the
    upstream refuses the key, or if a read fails.
    """

    catalogue: Catalogue
    proofs: KeyProofs
    key: ClientKey | None
    """None: no key was sent."""
    proof: Proof
    """Until it is given, the cache stands, so that a wrong key causes no other read than this."""

    async def services(self) -> Cached[tuple[Service, ...]] | None:
        return await self._get(self.catalogue.services, self.catalogue.cached_services())

    async def markets(self) -> Cached[tuple[Market, ...]] | None:
        return await self._get(self.catalogue.markets, self.catalogue.cached_markets())

    async def prices(self, service: str) -> Cached[tuple[Price, ...]] | None:
        cached = self.catalogue.cached_prices(service)
        return await self._get(lambda key: self.catalogue.prices(service), cached)

    async def everything(self) -> Cached[Matrix] | None:
        async def read(key: ClientKey) -> Cached[Matrix]:
            return Cached(await self.catalogue.everything(key), "MATRIX")

        known = self.catalogue.known()
        return await self._get(read, known if known.prices else None)

    async def _get(
        self, read: Callable[[ClientKey], Awaitable[Cached[T]]], cached: T | None
    ) -> Cached[T] | None:
        if self.proof is not Proof.GIVEN and cached is not None:
            return Cached(cached, "STALE")
        if self.key is None:
            return None
        if self.proof is Proof.PENDING:
            await self.proofs.wait(self.key)
        # Also after a doubt: the balance may be all that fails upstream.
        return await read(self.key)


async def offer(call: Call) -> Offer:
    """Raises ProblemError (BAD_KEY) if the upstream refuses the key."""
    services = call.services
    key = call.key if call.has_key else None
    proof = Proof.DOUBTFUL
    if call.program.name:
        # A program of the `keys` table is known; its upstream key is the operator's.
        proof = Proof.GIVEN
    elif key:
        proof = await services.key_proofs.of(key)
    return Offer(services.catalogue, services.key_proofs, key, proof)
