"""`explain`: the command and its options."""

import asyncio
import json
import sys
from pathlib import Path

import click

from proxy.commands.options import config_of, config_option, json_option, or_exit


@click.command()
@click.argument("words", nargs=-1)
@click.option("--sms", metavar="TEXT", help="Say which code is in this text; - reads it.")
@config_option
@json_option
def explain(words: tuple[str, ...], sms: str | None, path: Path | None, as_json: bool) -> None:
    """Say what a getNumber would buy, without buying it, or which code is in an SMS.

    WORDS are service=tg country=16 [maxPrice=0.5] [dialect=daisysms] [key=NAME], or a whole
    request as a program sends it.
    """
    if words and sms is not None:
        raise click.UsageError("WORDS and --sms are two questions: ask one of them.")
    if sms is not None:
        _explain_sms(sms, path, as_json)
        return
    if not words:
        raise click.UsageError("Missing argument 'WORDS...'.")
    _explain_request(words, path, as_json)


def _explain_sms(sms: str, path: Path | None, as_json: bool) -> None:
    from proxy.commands.columns import columns
    from proxy.commands.explain.sms import explain_sms, facts, found_as_json

    config = config_of(path)
    text = sys.stdin.buffer.read().decode(errors="replace") if sms == "-" else sms
    found = or_exit(lambda: explain_sms(config, text))
    shown = json.dumps(found_as_json(found), indent=1) if as_json else columns(facts(found))
    click.echo(shown)
    if found.code is None:
        raise SystemExit(1)


def _explain_request(words: tuple[str, ...], path: Path | None, as_json: bool) -> None:
    from proxy.commands.columns import columns
    from proxy.commands.explain.request import explain_request
    from proxy.endpoint.explain.question import parse_question
    from proxy.model.errors import QuestionError
    from proxy.runtime.printable import visible

    config = config_of(path)
    try:
        question = parse_question(words, config.dialect)
        result = or_exit(lambda: asyncio.run(explain_request(config, question)))
    except QuestionError as error:
        raise click.UsageError(visible(str(error))) from error
    click.echo(json.dumps(result.as_json(), indent=1) if as_json else columns(result.facts))
    if result.refused is not None:
        raise SystemExit(1)
