"""The tables of the README and of docs/dialects.md say what is so.

Their commands run in tests/project/test_docs_commands.py.
"""

import asyncio
import re
from pathlib import Path

import pytest

from proxy.endpoint.actions import ACTIONS
from proxy.endpoint.actions.parameters import PARAMETERS
from proxy.legacy.dialects import DIALECTS
from proxy.model.errors import Problem
from proxy.sandbox.state.scenarios import SCENARIOS
from tests.support.world import a_world

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DIALECTS_PAGE = (ROOT / "docs/dialects.md").read_text()


def cells(heading: str, page: str = README) -> list[list[str]]:
    """The rows of the tables under a heading, without their heads."""
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()[2:]]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def first_cells(heading: str) -> str:
    return "\n".join(row[0] for row in cells(heading))


COMPATIBILITY = [
    (row[0].strip("`"), dialect, cell)
    for row in cells("Actions", DIALECTS_PAGE)
    for dialect, cell in zip(DIALECTS, row[1:], strict=True)
]


def test_the_table_of_actions_is_complete():
    assert set(re.findall(r"`(\w+)`", first_cells("Actions"))) == set(ACTIONS)


def test_the_table_of_dialects_names_every_action_and_every_refusal():
    named = {action for action, _, _ in COMPATIBILITY}
    assert {action for action, _, cell in COMPATIBILITY if cell == "yes"} == set(ACTIONS)
    assert {action for dialect in DIALECTS.values() for action in dialect.refused} <= named


@pytest.mark.anyio
@pytest.mark.parametrize(("action", "dialect", "cell"), COMPATIBILITY)
async def test_every_cell_of_the_table_of_dialects(clock, caplog, action, dialect, cell):
    async with a_world(clock) as world:
        number = (await world.ask("action=getNumber&service=wa&country=187")).split(":")[1]
        await world.sms("Your code is 1111")
        await asyncio.sleep(121 if action in ("swapNumber", "cancelActivation") else 4)
        world.dialect = f"/{dialect}"
        query = f"action={action}&id={number}&status=1&service=wa&country=187"
        answer = await world.answer(query)
        assert "a bug;" not in caplog.text
        if cell == "yes":
            assert not re.search("BAD_ACTION|ERROR_SQL|SERVER_ERROR", answer.text)
            assert answer.status_code in (200, 204) or action in ("swapNumber", "cancelActivation")
        else:
            envelope = answer.headers.get("content-type") == "application/json"
            assert cell.strip("`") == (answer.json()["title"] if envelope else answer.text)


@pytest.mark.parametrize("column", range(3))
def test_the_table_of_words_is_complete(column):
    dialect = list(DIALECTS.values())[column]
    said = set()
    for words in (dialect.words, *dialect.words_of.values()):
        for problem, word in words.items():
            if problem is Problem.ALREADY_CANCELLED:
                continue
            said.add(word if isinstance(word, str) else word.text)
            status = "" if isinstance(word, str) or word.status == 200 else f"{word.status} "
            assert any(f"{status}`{said_word(word)}" in row[column] for row in cells("Words")), word
    listed = {w.split(":")[0] for row in cells("Words") for w in re.findall(r"`(\w+)", row[column])}
    assert listed - {"getNumber"} <= {word.split(":")[0] for word in said}


def said_word(word) -> str:
    text = word if isinstance(word, str) else word.text
    return text.split(":")[0]


def test_the_table_of_parameters_is_that_of_the_code():
    def words(text: str | tuple[str, ...]) -> str:
        return ", ".join(f"`{w}`" for w in (text.split() if isinstance(text, str) else text))

    rows = [
        [words(row.names), words(row.actions), row.use.value, row.says, words(row.nothing)]
        for row in PARAMETERS
    ]
    assert cells("Parameters", DIALECTS_PAGE) == rows


def test_the_table_of_scenarios_is_complete():
    assert set(re.findall(r"`(\w+)`", first_cells("Try it"))) == set(SCENARIOS)
