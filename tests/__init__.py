"""The tests: a folder for each room of proxy/, and for what holds the whole."""

import pytest

# Asserts of what tests share say as much as those of the tests.
pytest.register_assert_rewrite("tests.support", "tests.clients.journeys")
