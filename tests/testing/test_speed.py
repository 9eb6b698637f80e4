"""How long a suite waits for its sandbox, and that many sandboxes do not meet."""

import pytest

from tests.sandboxes import at_once
from tests.support.pace import within

RESETS = 5


@pytest.mark.slow
def test_from_nothing_to_the_first_code_it_takes_less_than_two_seconds():
    with within(2.0):
        at_once(1)


@pytest.mark.slow
def test_a_reset_and_an_advance_take_a_moment(sms_sandbox, program):
    with within(0.2 * RESETS):
        for _ in range(RESETS):
            sms_sandbox.reset()
    program.buy()
    with within(0.5):
        sms_sandbox.advance(20 * 60)


@pytest.mark.slow
def test_sandboxes_that_start_together_have_ports_orders_and_money_of_their_own():
    found = at_once(6)
    assert len(found) == 6 and max(each.own_memory for each in found) < 60
