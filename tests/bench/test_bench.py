"""The benches in small, so that they cannot rot; `python -m tests.bench` is the long form."""

import asyncio
import math
from dataclasses import replace

import httpx
import pytest

from tests.bench import marks
from tests.bench.benches import Size
from tests.bench.cold import storm
from tests.bench.compare import AGAIN, HERE, THERE, Figure, compare, marks_of
from tests.bench.cpu import cpu
from tests.bench.crowd import VARIANTS, run
from tests.bench.figures import Figures, Waits, cpu_growth, percentile, table, waits_of
from tests.bench.growth import growth
from tests.bench.idle import LONGEST, idle
from tests.bench.load import Crowd, Held, Plan, Target
from tests.bench.marks import Mark
from tests.bench.memory import memory
from tests.bench.paid import paid
from tests.bench.start import start
from tests.support.pace import is_quick, slowdown


def small():
    """As long as this machine needs for it at the moment."""
    slower = slowdown()
    durations = ("seconds", "poll", "buy_every", "cancel_every", "grace")
    return replace(SMALL, **{name: slower * getattr(SMALL, name) for name in durations})


SMALL = Plan(
    seconds=3.5,
    activations=8,
    sms=3,
    poll=0.08,
    buy_every=0.8,
    cancel_every=1.2,
    grace=3.0,
    hold=0.0,
    pause=0.0,
)

GOOD = Figures(
    variant="no-push",
    activations=200,
    polls=1000,
    errors={},
    wrong_codes=[],
    calls={"orders": 40, "order": 10},
    busiest_minute=60,
    refused=0,
    per_poll=0.05,
    all=Waits(48, 0, 2.0, 3.0, 4.0),
    newest=Waits(12, 0, 2.0, 3.0, 4.0),
    rest=Waits(36, 0, 2.0, 3.0, 4.0),
    latency_p50=0.002,
    latency_p95=0.01,
    cpu_seconds=1.0,
    sockets=0,
)
NEVER = Waits(48, 48, math.inf, math.inf, math.inf)


@pytest.mark.slow
def test_the_proxy_keeps_a_small_crowd_within_the_limit_and_without_an_error(tmp_path):
    figures = run("push", small(), tmp_path, lambda text: None)
    assert figures.polls > 30
    assert (figures.errors, figures.wrong_codes, figures.refused) == ({}, [], 0)
    assert (figures.all.sent, figures.all.unseen) == (3, 0)
    assert figures.busiest_minute < 30
    assert figures.calls["socket"] >= 5
    # A number was bought on the way and another was cancelled.
    assert figures.calls["purchase"] > 1
    assert figures.calls["cancel"] > 0


@pytest.mark.slow
def test_a_plain_translator_spends_its_minute_and_its_clients_see_it(tmp_path):
    figures = run("plain", small(), tmp_path, lambda text: None)
    assert figures.errors["getStatus ERROR_SQL"] > 0
    assert figures.refused > 0
    assert figures.busiest_minute <= 60 < sum(figures.calls.values())


def looked(answer):
    """What a crowd notes when getStatus is answered like that; 111111 was sent."""

    def serve(request):
        is_status = "getStatus" in str(request.url)
        return answer if is_status else httpx.Response(200, text="ACCESS_ACTIVATION")

    async def look():
        transport = httpx.MockTransport(serve)
        async with httpx.AsyncClient(transport=transport, base_url="http://target") as http:
            held = Held("1", "447700900001", 0.0, code="111111")
            crowd = Crowd(SMALL, Target(http), None, [held], print)
            await crowd.look(held)
            return crowd, held

    return asyncio.run(look())


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (200, "STATUS_WAIT_CODE", None),
        (200, "STATUS_OK:111111", None),
        (200, "ERROR_SQL", "getStatus ERROR_SQL"),
        (200, "NO_ACTIVATION", "getStatus NO_ACTIVATION"),
        (200, "STATUS_CANCEL", "getStatus STATUS_CANCEL of a live one"),
        (503, "STATUS_WAIT_CODE", "getStatus (503)"),
    ],
)
def test_what_no_client_should_see_is_an_error(status, text, error):
    crowd, _ = looked(httpx.Response(status, text=text))
    assert dict(crowd.errors) == ({error: 1} if error else {})
    assert len(crowd.latencies) == 1


def test_a_code_that_was_not_sent_is_wrong():
    crowd, held = looked(httpx.Response(200, text="STATUS_OK:222222"))
    assert crowd.wrong_codes == ["1: 222222 instead of 111111"]
    assert held.is_over


@pytest.mark.parametrize(
    "changed",
    [
        {"errors": {"getStatus ERROR_SQL": 1}},
        {"wrong_codes": ["1: 111111 instead of 222222"]},
        {"busiest_minute": 61},
        {"refused": 6},
        {"per_poll": 0.16},
        {"all": replace(GOOD.all, p95=9.1)},
        {"all": NEVER},
    ],
    ids=str,
)
def test_a_target_is_missed_by_each_figure_alone(changed):
    targets = VARIANTS["no-push"].targets
    assert all(is_kept for is_kept, _ in targets.judge(GOOD))
    assert [is_kept for is_kept, _ in targets.judge(replace(GOOD, **changed))].count(False) == 1


@pytest.mark.parametrize(("cpu", "is_kept"), [(2.7, True), (2.71, False)])
def test_the_cpu_of_500_numbers_may_be_2_7_times_that_of_200(cpu, is_kept):
    many = replace(GOOD, activations=500, cpu_seconds=cpu)
    text = f"CPU, 500 numbers / 200: {cpu:.2f} x <= 2.70 x"
    assert cpu_growth(GOOD, many) == (is_kept, text)


def test_the_table_has_a_column_for_each_run():
    lines = table([GOOD, replace(GOOD, variant="plain", all=NEVER)]).splitlines()
    assert lines[0].split() == ["no-push", "plain"]
    assert ["longest", "4.00", "s", "never"] in [line.split() for line in lines]


def test_an_sms_that_no_client_read_is_waited_for_without_end():
    held = [Held(str(n), "447700900001", 0.0, sent_at=10.0, seen_at=10.0 + n) for n in range(3)]
    lost = Held("9", "447700900009", 0.0, sent_at=10.0)
    assert waits_of(held) == Waits(3, 0, 1.0, 2.0, 2.0)
    assert waits_of([*held, lost]) == Waits(4, 1, 1.0, math.inf, math.inf)


@pytest.mark.parametrize(("share", "found"), [(0.5, 3), (0.95, 5), (0.2, 1), (0.21, 2), (1.0, 5)])
def test_a_percentile_is_one_of_the_values(share, found):
    assert percentile([5, 3, 1, 2, 4], share) == found
    assert percentile([], share) == 0


def test_a_small_storm_is_one_read(tmp_path):
    seen = storm(20, tmp_path)
    assert seen.is_right, str(seen)


def test_memory_is_measured(tmp_path):
    seen = memory(200, 3, tmp_path, settle=0.0)
    assert seen.at_rest > 10e6
    assert seen.with_activations >= seen.after_a_request
    assert seen.sockets == 3


def mark(**changed):
    return replace(Mark("cpu", "a request", 2e-5, "us"), **changed)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, ""),
        ({"most": 2e-5}, "ok"),
        ({"most": 1.9e-5}, "MISS"),
        ({"least": 2e-5}, "ok"),
        ({"least": 2.1e-5}, "MISS"),
    ],
    ids=str,
)
def test_a_mark_is_held_against_its_target(changed, verdict):
    assert mark(**changed).verdict == verdict
    assert mark(**changed).is_kept == (verdict != "MISS")


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (2.04e-5, "us", "20.4 µs"),
        (0.0031, "ms", "3.1 ms"),
        (120 * 2**20, "MiB", "120 MiB"),
        (1.5, "times", "1.5 x"),
        (5000, "", "5,000"),
    ],
)
def test_a_mark_is_shown_in_its_unit(value, unit, shown):
    assert mark(value=value, unit=unit).shown == shown


def test_the_marks_are_a_table_in_markdown():
    lines = marks.table([mark(), mark(name="another request", most=1e-5)]).splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[1:-1]] == [
        *("bench", "what", "figure", "target", "")
    ]
    assert len({len(line) for line in lines}) == 1
    assert lines[-1].endswith("<= 10 µs | MISS |")


def test_contestants_take_turns_there_and_back():
    said = []
    contestants = {name: (lambda number, name=name: said.append((number, name))) for name in "ab"}
    marks.interleaved(contestants, 2)
    assert said == [(0, "a"), (0, "b"), (1, "b"), (1, "a")]


def test_a_ratio_is_that_of_the_same_round():
    assert marks.ratio([2.0, 20.0, 8.0], [1.0, 10.0, 1.0]) == 2.0
    assert marks.difference([2.0, 20.0, 8.0], [1.0, 10.0, 1.0]) == 7.0


def values(seen):
    """What was measured, by name."""
    assert all(it.name and math.isfinite(it.value) for it in seen)
    return {it.name: it.value for it in seen}


def test_what_a_question_costs_is_measured_without_wrk_and_nginx(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    seen = values(cpu(0.2, 1, tmp_path))
    assert 0 < seen["plain translator, getStatus"] < 1
    assert "ours, getStatus, waiting" in seen
    assert "nginx, return 200" not in seen


def test_what_the_proxy_adds_to_a_purchase_is_measured(tmp_path):
    seen = values(paid(16, 1, tmp_path, slow=0.02))
    assert seen["straight to the upstream, p50"] >= 0.02
    assert seen["ours, SQLite file, p50"] > seen["straight to the upstream, p50"]


def test_a_revision_is_compared_with_the_code_here(tmp_path):
    size = Size(rounds=1, seconds=0.2, numbers=8)
    seen = values(compare("HEAD", ["cpu", "paid"], size, tmp_path))
    assert 0 < seen["getStatus, waiting, CPU"] < 1
    assert 0 < seen["getNumber, p50"] < 10
    assert seen["- here / HEAD"] > 0


def test_a_comparison_has_the_ratio_and_the_noise_of_the_same_rounds():
    seen = {HERE: [2.0, 40.0, 3.0], THERE: [1.0, 10.0, 1.0], AGAIN: [1.0, 11.0, 2.0]}
    shown = [(it.name, it.shown) for it in marks_of("cpu", Figure("a request", "s", seen), "v1")]
    assert shown == [
        ("a request", "3 s"),
        ("- here / v1", "3 x"),
        ("- noise: v1 / itself", "1.1 x"),
    ]


def test_a_start_is_measured(tmp_path):
    seen = values(start(1, 200, tmp_path, compiled=False))
    accepted, answered = "accepts a connection after", "first answer after"
    for name in ("ours", "plain translator"):
        assert 0 < seen[f"{name}, {accepted}"] < seen[f"{name}, {answered}"]
        assert seen[f"{name}, memory at rest"] > 10e6


def test_growth_is_measured(tmp_path):
    seen = values(growth(0.3, 1, tmp_path, known=2000, keys=3, numbers=8))
    assert 0 <= seen["getStatus of an id for the first time, CPU"] < 0.1
    assert "CPU, getNumber, 1,000 keys used before / 1" in seen


@pytest.mark.slow
def test_idle_clients_and_a_burst_of_connects_do_not_hold_up_others(tmp_path):
    seen = idle(300, 200, tmp_path, rest=0.1)
    assert seen.answered == seen.burst, str(seen)
    is_quick(max(seen.asked, seen.meanwhile), LONGEST)
