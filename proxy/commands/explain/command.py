"""`explain`: the command and its options."""

import asyncio
import json
from pathlib import Path

import click

from proxy.commands.options import config_of, config_option, json_option, or_exit


@click.command()
@click.argument("words", nargs=-1, required=True)
@config_option
@json_option
def explain(words: tuple[str, ...], path: Path | None, as_json: bool) -> None:
    """Say what a getNumber would buy, without buying it.

    WORDS are service=tg country=16 [maxPrice=0.5] [dialect=daisysms] [key=NAME], or a whole
    request as a program sends it.
    """
    from proxy.commands.columns import columns
    from proxy.commands.explain.explanation import explain as explained
    from proxy.commands.explain.question import parse_question
    from proxy.model.errors import QuestionError
    from proxy.runtime.printable import visible

    config = config_of(path)
    try:
        question = parse_question(words, config.dialect)
        result = or_exit(lambda: asyncio.run(explained(config, question)))
    except QuestionError as error:
        raise click.UsageError(visible(str(error))) from error
    click.echo(json.dumps(result.as_json(), indent=1) if as_json else columns(result.facts))
    if result.refused is not None:
        raise SystemExit(1)
