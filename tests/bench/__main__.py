"""The benches as commands: `python -m tests.bench crowd`, and so on.

crowd    200 clients on one key of 60 requests a minute: errors, SMS delays, requests upstream; four
         variants side by side, about fourteen minutes
cold     1,000 clients ask at once for prices nobody knows yet: one read upstream
memory   bytes for an idle activation, and for a push socket
cpu      CPU for each getStatus, getBalance and getPrices, beside servers that do less or nothing
paid     what the proxy adds to a purchase, and how many it makes a second
start    how soon it listens, how much memory it takes
growth   what a getStatus and a getNumber cost where much is known already
idle     thousands of idle connections, half-sent requests, a thousand connects at once
all      one table of all of these but the crowd, about seven minutes
compare  cpu, paid and start against another revision of the project, in turn

Exit code 1 where a target of the proxy is missed. Run them alone: they share the machine's cores.
docs/performance.md says how to read them.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import click
import msgspec

from tests.bench import cold as storms
from tests.bench import compare as comparing
from tests.bench import crowd as crowds
from tests.bench import marks as rows
from tests.bench.benches import BENCHES, Size
from tests.bench.figures import Figures, cpu_growth, table
from tests.bench.load import Plan
from tests.bench.memory import memory as measured


@click.group(context_settings={"show_default": True})
def main() -> None:
    """Measure the proxy under load, against the simulated upstream."""
    # So that the processes of a bench end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


@main.command()
@click.option("--variants", default=",".join(crowds.VARIANTS), help="Which, in which order.")
@click.option("--seconds", type=click.FloatRange(1), default=120, help="Of load, each.")
@click.option("--activations", "sizes", default="200", help="Clients at the end, or 200,500.")
@click.option("--sms", type=click.IntRange(0), default=48, help="How many of them get an SMS.")
@click.option("--pause", type=click.FloatRange(0), default=61, help="Seconds before the load.")
@click.option("--seed", type=int, default=1, help="Draws all moments.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write the figures there.")
def crowd(variants: str, sizes: str, path: Path | None, **options: float) -> None:
    """Many clients on one key: what they see, and what it takes upstream."""
    names = variants.split(",")
    if unknown := set(names) - crowds.VARIANTS.keys():
        raise click.UsageError(f"--variants: {unknown} not among {list(crowds.VARIANTS)}")
    plans = [Plan(activations=size, **options) for size in _sizes(sizes)]
    if any(max(plan.sms, 1) > plan.first for plan in plans):
        raise click.UsageError("--activations: too few for --sms, and for those bought on the way")
    runs = [_run(name, plan) for name in names for plan in plans]
    if path:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(runs)))
    click.echo(f"\n{table(runs)}\n")
    sys.exit(not _judged(runs))


def _sizes(text: str) -> list[int]:
    try:
        return [int(size) for size in text.split(",")]
    except ValueError:
        raise click.UsageError(f"--activations: {text} is no number, and no list of some") from None


def _run(name: str, plan: Plan) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return crowds.run(name, plan, Path(folder), partial(_say, name))


def _say(name: str, text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {name}: {text}")


def _judged(runs: Sequence[Figures]) -> bool:
    """Says which targets were kept; whether all were."""
    kept = [
        (is_kept, f"{run.variant}, {run.activations}", text)
        for run in runs
        if (targets := crowds.VARIANTS[run.variant].targets_of(run.activations))
        for is_kept, text in targets.judge(run)
    ]
    ours = [run for run in runs if crowds.VARIANTS[run.variant].targets]
    kept += [
        (is_kept, many.variant, text)
        for few, many in pairwise(ours)
        if few.variant == many.variant
        for is_kept, text in [cpu_growth(few, many)]
    ]
    for is_kept, variant, text in kept:
        click.echo(f"{'ok  ' if is_kept else 'MISS'} {variant}: {text}")
    return all(is_kept for is_kept, _, _ in kept)


@main.command()
@click.option("--clients", type=click.IntRange(1), default=1000)
def cold(clients: int) -> None:
    """Many ask at once for the same cold prices: they share one read."""
    with tempfile.TemporaryDirectory() as folder:
        seen = storms.storm(clients, Path(folder))
    click.echo(seen)
    sys.exit(not seen.is_right)


@main.command()
@click.option("--activations", type=click.IntRange(1), default=20_000, help="Idle ones.")
@click.option("--live", type=click.IntRange(1), default=200, help="Bought ones, with sockets.")
def memory(activations: int, live: int) -> None:
    """Resident memory at rest, for an idle activation and for a push socket."""
    with tempfile.TemporaryDirectory() as folder:
        click.echo(measured(activations, live, Path(folder)))


def _measure(names: Sequence[str], path: Path | None, rounds: int | None, seconds: float) -> None:
    """One bench after the other, and all their marks in one table."""
    size, marks = Size(seconds=seconds), []
    if rounds:
        size = replace(size, rounds=rounds, starts=rounds)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            marks += BENCHES[name](size, Path(folder))
        _say(name, "measured")
    if path:
        found = [mark.as_row for mark in marks]
        path.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    click.echo(f"\n{rows.table(marks)}\n")
    sys.exit(not all(mark.is_kept for mark in marks))


def _command(name: str, names: Sequence[str], text: str) -> None:
    """A command with the options that all benches share."""
    run = partial(_measure, names)
    run = click.option("--seconds", type=click.FloatRange(1), default=3, help="Of load, each.")(run)
    run = click.option("--rounds", type=click.IntRange(1), help="Instead of 5, 9 for starts.")(run)
    run = click.option("--json", "path", type=click.Path(path_type=Path), help="Write there.")(run)
    main.command(name, help=text)(run)


for _name, _text in {
    "cpu": "What a question costs, beside servers that do less.",
    "paid": "What the proxy adds to a purchase.",
    "start": "How soon it listens, and how much memory it takes.",
    "growth": "What a request costs where much is known already.",
    "idle": "Idle connections, half-sent requests, and a burst of connects.",
}.items():
    _command(_name, [_name], _text)
_command("all", list(BENCHES), "Every bench but the crowd, in one table.")


@main.command()
@click.argument("revision")
@click.option("--figure", "names", multiple=True, type=click.Choice(list(comparing.FIGURES)))
@click.option("--rounds", type=click.IntRange(1), default=5, help="Of each proxy.")
@click.option("--seconds", type=click.FloatRange(0.1), default=3, help="Of load, each.")
@click.option("--numbers", type=click.IntRange(1), default=200, help="Bought, each.")
def compare(revision: str, names: Sequence[str], rounds: int, **size: float) -> None:
    """REVISION beside the code here: ratios, and the noise of this run.

    Without --figure: all of them.
    """
    sized = Size(rounds=rounds, starts=rounds, **size)
    with tempfile.TemporaryDirectory() as folder:
        try:
            marks = comparing.compare(
                revision, names or list(comparing.FIGURES), sized, Path(folder)
            )
        except comparing.UnknownRevisionError as error:
            raise click.UsageError(f"REVISION: {error}") from error
    click.echo(rows.table(marks))


if __name__ == "__main__":
    main()
