"""Requests at random, the short form; `python -m tests.fuzz --requests 20000` is the long one."""

import pytest

from tests.fuzz import fuzz
from tests.support.server import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_sent_is_answered_legally_and_makes_no_traceback(kind, tmp_path):
    found = fuzz(600, seed=1, folder=tmp_path, kind=kind)
    assert found.wrong == []
    assert found.statuses[200] > 50
    assert len(found.log.splitlines()) <= found.requests
    assert found.grown < 40 * 2**20
