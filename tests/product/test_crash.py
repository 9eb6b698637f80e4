"""A proxy killed under load, the short form; `python -m tests.crash --kills 50` is the long one."""

from tests.crash import crash

KILLS = 6


def test_killed_at_any_moment_it_loses_no_money_and_no_number(tmp_path):
    account = crash(KILLS, seed=1, folder=tmp_path)
    assert account.wrong == (), str(account)
    assert account.charged - account.refunded == account.told
    # It was a load: numbers were handed out and cancelled, and a kill struck in mid-request.
    assert account.held > KILLS
    assert account.cancelled > 0
    assert account.in_flight > 0
    assert account.orphans > 0
