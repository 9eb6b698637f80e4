"""Explains a request with services of its own, beside a proxy that may run."""

import os

from msgspec.structs import replace

from proxy.app.build import build_services
from proxy.app.loaded import load
from proxy.commands.explain.limits import StoredUsage
from proxy.config.settings import Config, StoreConfig
from proxy.endpoint.explain.explanation import Explanation, explain
from proxy.endpoint.explain.question import Question
from proxy.upstream.client import TIMEOUT_FRACTION

SECONDS = 4.0
"""The timeout of each request to the upstream."""


async def explain_request(config: Config, question: Question) -> Explanation:
    """Raises QuestionError if the action buys nothing, and the errors of build_services."""
    upstream = replace(config.upstream, timeout=SECONDS / TIMEOUT_FRACTION)
    # The configured store is the running proxy's.
    temporary = replace(config, upstream=upstream, store=StoreConfig(url="sqlite://"))
    services = build_services(load(temporary, os.environ))
    try:
        return await explain(services, question, StoredUsage(config.store.url))
    finally:
        await services.catalogue.close()
        await services.upstream.close()
        await services.store.close()
