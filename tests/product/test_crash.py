"""A proxy killed under load on a slow disk, the short form of `python -m tests.crash`."""

from tests.crash import crash

KILLS = 6
FSYNC = 0.05
"""Seconds."""


def test_killed_at_any_moment_it_loses_no_money_and_no_number(tmp_path):
    account = crash(KILLS, seed=1, folder=tmp_path, fsync=FSYNC)
    assert account.wrong == (), str(account)
    assert account.charged - account.refunded == account.told + account.in_doubt
    # It was a load: numbers were handed out and cancelled, and a kill struck in mid-request.
    assert account.held > KILLS
    assert account.cancelled > 0
    assert account.in_flight > 0
    assert account.again > 0
    assert account.orphans > 0
