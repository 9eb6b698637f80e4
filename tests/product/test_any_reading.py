"""The main job under every reading of the upstream: each alone, and drawn together.

`python -m tests.readings --seeds 200` tries many draws.
"""

import pytest

from proxy.sandbox.state.switches import drawn
from tests.readings import run_job, single_readings, ways_of

PUSHED = ("ws", "webhook", "expiry_event", "balance_low")


@pytest.mark.parametrize(("name", "reading"), list(single_readings()))
def test_the_main_job_goes_with_each_reading_alone(name, reading):
    is_pushed = name.startswith(PUSHED)
    run_job({name: reading}, push=is_pushed, events=is_pushed)


@pytest.mark.parametrize("seed", range(1, 13))
def test_the_main_job_goes_with_readings_drawn_together(seed):
    run_job(drawn(str(seed)), **ways_of(seed))
