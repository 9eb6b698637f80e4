"""What measures time runs alone, and compares with this machine at this moment."""

import os

import pytest

from tests.support import pace


@pytest.mark.slow
def test_what_measures_time_runs_in_no_worker():
    assert "PYTEST_XDIST_WORKER" not in os.environ


def test_a_busy_machine_may_take_as_many_times_longer_as_others_slow_it_down(monkeypatch):
    monkeypatch.setattr(pace, "slowdown", lambda: 4.0)
    pace.is_quick(3.9, 1)
    with pytest.raises(AssertionError, match=r"4\.10 s of 4\.00"):
        pace.is_quick(4.1, 1)


def test_where_nobody_else_works_not_one_moment_more_is_allowed(monkeypatch):
    monkeypatch.setattr(pace, "slowdown", lambda: 1.0)
    with pytest.raises(AssertionError), pace.within(0):
        pass
