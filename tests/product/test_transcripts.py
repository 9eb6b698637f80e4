"""Plays the dialogues of tests/transcripts: `>` client, `<` proxy, `=` a header, `*` the world.

Those in a folder are played in the dialect of its name. An answer with another status than 200
begins with it, as in `< [404] …`. `$name` in an answer is a gap the first time, and from then on
what stood there. The key is added to every question. The world: `* wait SECONDS`, `* sms TEXT` to
the newest order, or a path of the sandbox's control API with its JSON, in which `$order` is the
newest order. Lines `@` before all others are the proxy's configuration, in JSON. A line `^` is what
the targets of `forward` were posted next; `^` alone says that they were posted nothing more.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from proxy.config.settings import Config
from tests.conftest import START
from tests.support.world import World, a_world

FOLDER = Path(__file__).parents[1] / "transcripts"
TRANSCRIPTS = sorted(FOLDER.rglob("*.txt"))


@pytest.mark.anyio
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: str(path.relative_to(FOLDER)))
async def test_transcript(path):
    dialect = "" if path.parent == FOLDER else f"/{path.parent.name}"
    for dialogue in path.read_text().split("\n\n"):
        async with a_world(beginning_now(), **configured(dialogue)) as world:
            world.dialect = dialect
            await play(world, dialogue)


def configured(dialogue: str) -> dict[str, Any]:
    text = "".join(line[2:] for line in dialogue.splitlines() if line.startswith("@ "))
    wanted = json.loads(text or "{}")
    config = msgspec.convert(wanted, Config)
    return {name: getattr(config, name) for name in wanted}


def beginning_now():
    """A clock for one dialogue, at START now."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    return lambda: START + loop.time() - begun


async def play(world: World, dialogue: str) -> None:
    known: dict[str, str] = {}
    answer = None
    for line in dialogue.splitlines():
        mark, _, text = line.partition(" ")
        match mark:
            case ">":
                answer = await asked(world, text, known)
            case "<":
                said = answer.text
                if answer.status_code != 200:
                    said = f"[{answer.status_code}] {said}".rstrip()
                compare(line, said, known, dialogue)
            case "=":
                name, _, value = text.partition(": ")
                assert answer.headers[name] == value, f"{dialogue}\n\n! {line}"
            case "^":
                posted = world.targets.posted.pop(0)[1].content if world.targets.posted else b""
                compare(line, posted.decode(), known, dialogue)
            case "*":
                await happen(world, text)
            case _:
                assert mark in ("@", "#", ""), f"not a line of a transcript: {line}"


def compare(line: str, said: str, known: dict[str, str], dialogue: str) -> None:
    """What stands in the gaps of the line is known from now on."""
    found = re.fullmatch(pattern(line.partition(" ")[2], known), said)
    assert found, f"{dialogue}\n\n! {line}\n! got {said}"
    known |= found.groupdict()


async def asked(world: World, text: str, known: dict[str, str]) -> httpx.Response:
    order = {"order": await world.newest_order()} if "$order" in text else {}
    return await world.answer(filled(text, known | order))


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
