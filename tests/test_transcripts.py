"""Plays the dialogues of tests/transcripts: `>` client, `<` proxy, `*` the world.

`$name` in an answer is a gap the first time, and from then on what stood there. The key is added
to every question. The world: `* wait SECONDS`, `* sms TEXT` to the newest order, or a path of the
sandbox's control API with its JSON, in which `$order` is the newest order.
"""

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.world import World, a_world

TRANSCRIPTS = sorted(Path(__file__).parent.glob("transcripts/*.txt"))


@pytest.mark.anyio
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_transcript(path, clock):
    for dialogue in path.read_text().split("\n\n"):
        async with a_world(clock) as world:
            await play(world, dialogue)


async def play(world: World, dialogue: str) -> None:
    known: dict[str, str] = {}
    answer = ""
    for line in dialogue.splitlines():
        mark, _, text = line.partition(" ")
        match mark:
            case ">":
                answer = await world.ask(filled(text, known))
            case "<":
                found = re.fullmatch(pattern(text, known), answer)
                assert found, f"{dialogue}\n\n! {line}\n! got {answer}"
                known |= found.groupdict()
            case "*":
                await happen(world, text)
            case "#" | "":
                pass
            case _:
                raise AssertionError(f"not a line of a transcript: {line}")


async def happen(world: World, text: str) -> None:
    what, _, rest = text.partition(" ")
    match what:
        case "wait":
            await asyncio.sleep(float(rest))
        case "sms":
            await world.sms(rest)
        case _:
            if "$order" in rest:
                rest = rest.replace("$order", await world.newest_order())
            await world.steer(what, json.loads(rest))


def filled(text: str, known: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda gap: known[gap[1]], text)


def pattern(text: str, known: dict[str, str]) -> str:
    parts = re.split(r"\$(\w+)", text)
    for i in range(1, len(parts), 2):
        name = parts[i]
        parts[i] = re.escape(known[name]) if name in known else f'(?P<{name}>[^:"]+)'
    return "".join(part if i % 2 else re.escape(part) for i, part in enumerate(parts))
