"""The secrets of the configuration, which the log has to hide. Pure."""

from collections.abc import Iterator

from proxy.config.settings import Config
from proxy.runtime.urls import url_secrets


def config_secrets(config: Config) -> Iterator[str]:
    """Every secret text of the configuration. Values of `env:` and `file:` are not resolved: who
    reads them adds them to the log's secrets.
    """
    yield from (key for key in config.keys if not key.startswith("sha256:"))
    yield from (entry.upstream_key for entry in config.keys.values())
    yield from config.webhooks.secrets
    yield from (target.secret or "" for target in config.forward)
    yield from (config.upstream.api_key or "", config.store.secret or "")
    yield config.console.token or ""
    addresses = [config.upstream.url, config.upstream.websocket_url, config.webhooks.public_url]
    for url in (*addresses, config.store.url, *(target.url for target in config.forward)):
        yield from url_secrets(url or "")
