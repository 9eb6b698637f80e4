"""The state tables, in full."""

import pytest

from proxy.legacy import status
from proxy.legacy.status import Act, Phase
from proxy.model.errors import Problem

NOTHING, RETRY, FINISH, CANCEL = Act.NOTHING, Act.RETRY, Act.FINISH, Act.CANCEL
BAD, PAID = Problem.BAD_STATUS, Problem.CODE_RECEIVED

READY = (NOTHING, "ACCESS_READY")
AGAIN = (RETRY, "ACCESS_RETRY_GET")
DONE = (FINISH, "ACCESS_ACTIVATION")
GONE = (CANCEL, "ACCESS_CANCEL")


@pytest.mark.parametrize(
    ("phase", "by_status"),
    [
        (Phase.WAITING, {1: READY, 3: BAD, 6: DONE, 8: GONE, -1: GONE}),
        (Phase.RECEIVED, {1: READY, 3: AGAIN, 6: DONE, 8: PAID, -1: PAID}),
        (Phase.RETRYING, {1: READY, 3: AGAIN, 6: DONE, 8: PAID, -1: PAID}),
        (Phase.FINISHED, {1: BAD, 3: BAD, 6: (NOTHING, DONE[1]), 8: PAID, -1: PAID}),
        (Phase.CANCELLED, {1: BAD, 3: BAD, 6: BAD, 8: (NOTHING, GONE[1]), -1: (NOTHING, GONE[1])}),
    ],
)
def test_set_status_in_every_phase(phase, by_status):
    assert {wish: status.set_status(phase, wish) for wish in by_status} == by_status


@pytest.mark.parametrize("wish", [None, 0, 2, 4, 5, 7, 9, -2, 10**11])
@pytest.mark.parametrize("phase", Phase)
def test_a_status_that_is_none_changes_nothing(phase, wish):
    assert status.set_status(phase, wish) is Problem.BAD_STATUS


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        (Phase.WAITING, "STATUS_WAIT_CODE"),
        (Phase.RECEIVED, "STATUS_OK:12345"),
        (Phase.RETRYING, "STATUS_WAIT_RETRY:12345"),
        (Phase.FINISHED, "STATUS_CANCEL"),
        (Phase.CANCELLED, "STATUS_CANCEL"),
    ],
)
def test_get_status_in_every_phase(phase, word):
    assert status.get_status(phase, "12345") == word
