"""Creates and repairs the proxy's own subscription to the upstream's events, one for each upstream
key.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from functools import partial

from proxy.config.programs import Programs, secret_of
from proxy.config.settings import Config
from proxy.model import ClientKey
from proxy.model.errors import Problem, ProblemError, StoreError
from proxy.runtime import log_events
from proxy.runtime.logs import Secrets
from proxy.runtime.tasks import BackgroundTasks
from proxy.store import Store, Subscription
from proxy.upstream.client import Upstream
from proxy.upstream.webhooks import EVENTS, Webhook
from proxy.webhooks.receiver import PATH

log = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0
"""How often a subscription is checked."""
FIRST_PAUSE = 60.0
"""Seconds after an uncertain error, doubled each time up to an hour."""
SHARED_SECONDS = 10.0
"""How often a replica reads the subscription of another one, and tries to take it over."""

DESCRIPTION = "virtualsms-proxy"


class Subscriptions:
    """The subscriptions of `keys`, to the address `public_url`; none if that is not set. `given`
    are the secrets of subscriptions that a person has created; `known` hides all secrets in the
    log.
    """

    def __init__(
        self,
        upstream: Upstream,
        store: Store,
        keys: Iterable[ClientKey],
        public_url: str | None,
        given: Iterable[str],
        known: Secrets,
    ) -> None:
        self._upstream = upstream
        self._store = store
        self._keys = tuple(dict.fromkeys(keys))
        self._has_address = public_url is not None
        self._kept: set[ClientKey] = set()
        self._url = f"{(public_url or '').rstrip('/')}{PATH}"
        self._given = tuple(given)
        self._known = known
        self._own: dict[str, Subscription] = {}
        self._logged: dict[ClientKey, str] = {}
        self._tasks = BackgroundTasks()

    @property
    def secrets(self) -> list[str]:
        """The secrets that may have signed an event."""
        return [*self._given, *(own.secret for own in self._own.values())]

    async def start(self) -> None:
        """Does not wait for the upstream. Raises StoreError."""
        for own in await self._store.subscriptions():
            self._learn(own)
        self._keep_all()

    def follow(self, keys: Iterable[ClientKey], given: Iterable[str]) -> None:
        """Goes on with other keys and secrets. The subscription of a key that is gone stays: events
        of its orders still come.
        """
        self._keys, self._given = tuple(keys), tuple(given)
        self._keep_all()

    def _keep_all(self) -> None:
        for key in self._keys if self._has_address else ():
            if key not in self._kept:
                self._kept.add(key)
                self._tasks.loop(partial(self._keep, key), f"subscription of {key}")

    async def close(self) -> None:
        await self._tasks.aclose()

    async def _keep(self, key: ClientKey) -> None:
        """Never ends. The same error is logged once."""
        pause = FIRST_PAUSE
        while True:
            trouble, wait = "", EVERY_SECONDS
            try:
                if await self._is_ours(key):
                    await self._repair(key)
                    pause = FIRST_PAUSE
                else:
                    wait = SHARED_SECONDS
            except ProblemError as error:
                trouble = str(error)
                if error.problem.is_doubt:
                    wait, pause = pause, min(pause * 2, EVERY_SECONDS)
            except StoreError as error:
                trouble = f"the store: {error}"
            if trouble and self._logged.get(key) != trouble:
                log.warning(log_events.NO_WEBHOOKS, key, trouble)
            self._logged[key] = trouble
            await asyncio.sleep(wait)

    async def _is_ours(self, key: ClientKey) -> bool:
        """Whether this replica repairs the subscription. The others only read its secret."""
        if self._store.is_shared:
            for own in await self._store.subscriptions():
                self._learn(own)
        return await self._store.claim(f"subscription {key.hash}")

    async def _repair(self, key: ClientKey) -> None:
        own = self._own.get(key.hash)
        found = await self._upstream.webhooks(key)
        kept = next((row for row in found if own and row.id == own.id), None)
        for row in found:
            if row.url == self._url and row is not kept:
                log.warning(log_events.WEBHOOK_REPLACED, row.id, key)
                await self._upstream.delete_webhook(key, row.id)
        if kept is None:
            await self._create(key)
        elif not self._is_right(kept):
            change = partial(self._upstream.change_webhook, key, kept.id, url=self._url)
            await change(events=list(_events(kept)), active=True, paused=False)
            log.info("webhook %s of %s is put right", kept.id, key)

    def _is_right(self, row: Webhook) -> bool:
        is_complete = set(_events(row)) <= set(row.events)
        return row.url == self._url and is_complete and row.active and not row.paused

    async def _create(self, key: ClientKey) -> None:
        row = await self._created(key)
        if not row.secret:
            raise ProblemError(Problem.UNCLEAR, f"webhook {row.id} was made and told no secret")
        own = Subscription(key.hash, row.id, row.secret)
        # Events may come before the store has the secret.
        self._learn(own)
        await self._store.subscribe(own)
        log.info("webhook %s of %s is made", row.id, key)

    async def _created(self, key: ClientKey) -> Webhook:
        create = partial(self._upstream.create_webhook, key, url=self._url, description=DESCRIPTION)
        try:
            return await create(events=list(EVENTS[0]))
        except ProblemError as error:
            if error.problem is not Problem.BAD_PARAMETER:
                raise
        return await create(events=list(EVENTS[1]))

    def _learn(self, own: Subscription) -> None:
        self._known.pin(own.secret)
        self._own[own.key] = own


def load_subscriptions(
    config: Config,
    given: Iterable[str],
    upstream: Upstream,
    store: Store,
    programs: Programs,
    known: Secrets,
) -> Subscriptions:
    """The subscriptions of the key of the configuration, and of all programs' keys."""
    keys, address = subscribed_keys(config, programs), config.webhooks.public_url
    known.pin(*given)
    return Subscriptions(upstream, store, keys, address, given, known)


def subscribed_keys(config: Config, programs: Programs) -> list[ClientKey]:
    own = [ClientKey.of(config.upstream.api_key)] if config.upstream.api_key else []
    return [*own, *(program.key.account for program in programs)]


def given_secrets(config: Config, environ: Mapping[str, str]) -> list[str]:
    """The secrets of subscriptions that a person has created. Raises ConfigError."""
    return [secret_of(text, "webhooks.secrets", environ) for text in config.webhooks.secrets]


def _events(row: Webhook) -> tuple[str, ...]:
    """The events that it should have: those of EVENTS, by the names that it uses, and those that a
    person has added.
    """
    events = next((events for events in EVENTS if events[0] in row.events), EVENTS[0])
    return tuple(dict.fromkeys((*events, *row.events)))
