"""Keeps the proxy's own subscription to the upstream's events right, one for each upstream key."""

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
FIRST_PAUSE = 60.0
"""Seconds to the next try after a doubt, doubled each time up to an hour."""

SHARED_SECONDS = 10.0
"""How often a replica looks for what another has made, and whether that one still lives."""

DESCRIPTION = "virtualsms-proxy"


class Subscriptions:
    """Of these keys, to the address `public_url`; none where that is not set. `given` are the
    secrets of subscriptions that a person has made; `known` learns the others, for the log.
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
        self._keys = tuple(dict.fromkeys(keys)) if public_url else ()
        self._url = f"{(public_url or '').rstrip('/')}{PATH}"
        self._given = tuple(given)
        self._known = known
        self._own: dict[str, Subscription] = {}
        self._said: dict[ClientKey, str] = {}
        self._tasks = BackgroundTasks()

    @property
    def secrets(self) -> list[str]:
        """Those that an event may be signed with."""
        return [*self._given, *(own.secret for own in self._own.values())]

    async def start(self) -> None:
        """Nothing waits for the upstream. StoreError."""
        for own in await self._store.subscriptions():
            self._learn(own)
        for key in self._keys:
            self._tasks.loop(partial(self._keep, key), f"subscription of {key}")

    async def close(self) -> None:
        await self._tasks.aclose()

    async def _keep(self, key: ClientKey) -> None:
        """For ever. What goes wrong is said once, until it is another thing."""
        pause = FIRST_PAUSE
        while True:
            trouble, wait = "", EVERY_SECONDS
            try:
                if await self._is_ours(key):
                    await self._put_right(key)
                    pause = FIRST_PAUSE
                else:
                    wait = SHARED_SECONDS
            except ProblemError as error:
                trouble = str(error)
                if error.problem.is_doubt:
                    wait, pause = pause, min(pause * 2, EVERY_SECONDS)
            except StoreError as error:
                trouble = f"the store: {error}"
            if trouble and self._said.get(key) != trouble:
                log.warning(log_events.NO_WEBHOOKS, key, trouble)
            self._said[key] = trouble
            await asyncio.sleep(wait)

    async def _is_ours(self, key: ClientKey) -> bool:
        """One replica keeps it right; the others learn its secret."""
        if self._store.is_shared:
            for own in await self._store.subscriptions():
                self._learn(own)
        return await self._store.claim(f"subscription {key.hash}")

    async def _put_right(self, key: ClientKey) -> None:
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
            events = _events(kept)
            await self._upstream.change_webhook(
                key, kept.id, url=self._url, events=list(events), active=True, paused=False
            )
            log.info("webhook %s of %s is put right", kept.id, key)

    def _is_right(self, row: Webhook) -> bool:
        is_complete = set(_events(row)) <= set(row.events)
        return row.url == self._url and is_complete and row.active and not row.paused

    async def _create(self, key: ClientKey) -> None:
        row = await self._created(key)
        if not row.secret:
            raise ProblemError(Problem.UNCLEAR, f"webhook {row.id} was made and told no secret")
        own = Subscription(key.hash, row.id, row.secret)
        # Events may come before it is written.
        self._learn(own)
        await self._store.subscribe(own)
        log.info("webhook %s of %s is made", row.id, key)

    async def _created(self, key: ClientKey) -> Webhook:
        *others, last = EVENTS
        for events in others:
            try:
                return await self._create_for(key, events)
            except ProblemError as error:
                if error.problem is not Problem.BAD_PARAMETER:
                    raise
        return await self._create_for(key, last)

    async def _create_for(self, key: ClientKey, events: tuple[str, ...]) -> Webhook:
        return await self._upstream.create_webhook(
            key, url=self._url, events=list(events), description=DESCRIPTION
        )

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
    """For the key of the configuration, and for those of all programs."""
    own = [ClientKey.of(config.upstream.api_key)] if config.upstream.api_key else []
    keys = [*own, *(program.key.account for program in programs)]
    known.pin(*given)
    return Subscriptions(upstream, store, keys, config.webhooks.public_url, given, known)


def given_secrets(config: Config, environ: Mapping[str, str]) -> list[str]:
    """Those of subscriptions that a person has made. Raises ConfigError."""
    return [secret_of(text, "webhooks.secrets", environ) for text in config.webhooks.secrets]


def _events(row: Webhook) -> tuple[str, ...]:
    """What it should be for: by the names that it knows, and what a person has added."""
    events = next((events for events in EVENTS if events[0] in row.events), EVENTS[0])
    return tuple(dict.fromkeys((*events, *row.events)))
