"""`doctor`: prints a line for each check, or what a real account shows of the doubtful facts."""

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.commands.options import config_of, config_option, failed, json_option, or_exit
from proxy.commands.progress import progress

if TYPE_CHECKING:
    from proxy.commands.doctor import Finding
    from proxy.commands.doctor.first_contact import Learnt

# The options that mean nothing without --readings.
OF_READINGS = ("name", "report", "overwrite", "pair")
MAX_PRICE = 1000
"""US dollars."""
OF_BUY = ("at_most", "is_sure", "cancels_early")


def _price(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    # Not FloatRange, which takes nan for a number in the range.
    if value is not None and not 0 < value <= MAX_PRICE:
        raise click.BadParameter(f"write a price over 0 and up to {MAX_PRICE}")
    return value


@click.command()
@config_option
@json_option
@click.option("--readings", is_flag=True, help="Ask which doubtful facts are true; buys nothing.")
@click.option("--key", "name", metavar="NAME", help="An entry of `keys`; else upstream.api_key.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Write the answers there, without what is private.",
)
@click.option("--overwrite", is_flag=True, help="The file of --report may exist.")
@click.option(
    "--buy",
    "pair",
    nargs=2,
    metavar="SERVICE COUNTRY",
    help="Buy one number and cancel it after its hold; needs --at-most.",
)
@click.option("--at-most", type=float, callback=_price, help="Its price, in USD.")
@click.option("--yes", "is_sure", is_flag=True, help="Buy without a question.")
@click.option(
    "--early-cancel", "cancels_early", is_flag=True, help="Ask for a cancel at once, too."
)
def doctor(path: Path | None, as_json: bool, readings: bool, **options: Any) -> None:
    """Check everything that the proxy needs: a line each, ok or what to do."""
    needed = "--readings" if not readings else "--buy" if not options["pair"] else ""
    for name in (*OF_READINGS, *OF_BUY) if not readings else OF_BUY if needed else ():
        if options[name]:
            raise click.UsageError(f"this needs {needed}")
    if readings:
        _readings(path, as_json, **options)
    else:
        _checks(path, as_json)


def _readings(
    path: Path | None,
    as_json: bool,
    name: str | None,
    report: Path | None,
    overwrite: bool,
    pair: tuple[str, str] | None,
    **buying: Any,
) -> None:
    from proxy.commands.doctor.report import refuse_path, write
    from proxy.runtime.printable import visible

    if report:
        or_exit(lambda: refuse_path(report, may_overwrite=overwrite))

    def say(text: str) -> None:
        click.echo(visible(text), err=as_json)

    learnt = or_exit(lambda: _learn(path, name, pair, say, **buying))
    click.echo(json.dumps(learnt.as_json(), indent=1) if as_json else learnt.table())
    if report:
        or_exit(lambda: write(report, learnt.report, may_overwrite=overwrite))
        say(f"written: {report}")
    if learnt.trouble:
        raise failed(learnt.trouble)
    if not learnt.is_good:
        raise SystemExit(1)


def _learn(
    path: Path | None,
    name: str | None,
    pair: tuple[str, str] | None,
    say: Any,
    at_most: float | None,
    is_sure: bool,
    cancels_early: bool,
) -> "Learnt":
    from proxy.app.loaded import codes_of, programs_of
    from proxy.commands.doctor.first_contact import (
        Purchase,
        chosen,
        first_contact,
        pair_of,
        refuse_running,
    )
    from proxy.commands.doctor.upstream import accounts
    from proxy.model import money

    config = config_of(path)
    codes = codes_of(config)
    account = chosen(accounts(config, programs_of(config, codes)), name)
    purchase = None
    if pair:
        if at_most is None:
            raise click.UsageError("--buy needs --at-most, the price in USD")
        ask = (lambda text: True) if is_sure else _confirmed
        wanted = pair_of(codes, *pair)
        purchase = Purchase(wanted, money.cents(at_most), ask, cancels_early)
        refuse_running(config)
    return asyncio.run(first_contact(config, codes, account, purchase, say))


def _confirmed(text: str) -> bool:
    """Whether the person says yes; without a terminal nobody does."""
    try:
        return click.confirm(text, err=True)
    except click.Abort:
        return False


def _checks(path: Path | None, as_json: bool) -> None:
    from proxy.commands.doctor import Finding
    from proxy.commands.doctor.checks import examine

    async def look() -> list[Finding]:
        found = []
        async for finding in examine(path, os.environ, progress):
            found.append(finding)
            if not as_json:
                progress("")
                click.echo(_line(finding), color=False if os.environ.get("NO_COLOR") else None)
        return found

    found = asyncio.run(look())
    is_good = not any(finding.is_wrong for finding in found)
    progress("")
    if as_json:
        rows = [
            {"about": finding.about, "ok": not finding.is_wrong, "says": finding.says}
            for finding in found
        ]
        click.echo(json.dumps({"ok": is_good, "findings": rows}, indent=1))
    if not is_good:
        raise SystemExit(1)


def _line(finding: "Finding") -> str:
    from proxy.runtime.printable import visible

    word, colour = ("wrong", "red") if finding.is_wrong else ("ok", "green")
    return f"{click.style(f'{word:5}', fg=colour)}  {finding.about:8}  {visible(finding.says)}"
