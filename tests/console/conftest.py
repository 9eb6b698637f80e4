"""A proxy with a console, and the page's own script."""

import pytest

from proxy.config.settings import ConsoleConfig
from tests.support.axe import NPM, fetched
from tests.support.browser import a_browser as a_chromium
from tests.support.console import OWN, TOKEN, a_browser
from tests.support.world import a_world


@pytest.fixture(scope="module")
def browser():
    with a_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    if not NPM:
        pytest.skip("no npm here; .ci/run installs it")
    return fetched(tmp_path_factory.mktemp("axe"))


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
