"""A proxy with a console, and the page's own script."""

import pytest

from proxy.config.settings import ConsoleConfig
from tests.support.console import OWN, TOKEN, a_browser
from tests.support.world import a_world


@pytest.fixture
async def world(clock):
    async with a_world(clock, console=ConsoleConfig(enabled=True, token=TOKEN)) as world:
        yield world


@pytest.fixture
async def console(world):
    """The page's own script, after it was let in."""
    async with a_browser(world.app) as browser:
        assert (await browser.get(f"/console?token={TOKEN}")).status_code == 200
        browser.headers.update(OWN)
        yield browser
