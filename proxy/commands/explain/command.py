"""`explain`: what a getNumber would buy."""

import asyncio
import json
from pathlib import Path

import click

from proxy.commands.options import built, config_of, config_option, json_option


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
    from proxy.commands.explain import asked
    from proxy.commands.explain import explain as explained
    from proxy.model.errors import QuestionError
    from proxy.runtime.printable import visible

    config = config_of(path)
    try:
        question = asked(words, config.dialect)
        said = built(lambda: asyncio.run(explained(config, question)))
    except QuestionError as error:
        raise click.UsageError(visible(str(error))) from error
    click.echo(json.dumps(said.as_json(), indent=1) if as_json else columns(said.facts))
    if said.refused is not None:
        raise SystemExit(1)
