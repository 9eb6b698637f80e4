"""What the tests of the reload share."""

import pytest

from tests.support.reloading import world_in


@pytest.fixture
def world_of(tmp_path, clock):
    """Makes a proxy of the text of its configuration."""
    return world_in(tmp_path, clock)
