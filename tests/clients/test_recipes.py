"""docs/repoint.md: its programs in other languages, as they stand there, through all steps."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients.stage import a_key
from tests.support.documents import BLOCKS
from tests.support.process import PATIENCE
from tests.support.toolchains import TOOLCHAINS, built, environment, missing, needs

ON_THE_PAGE = [block for block in BLOCKS if block.page == "docs/repoint.md"]
# A program begins with the command that runs it, a client with its name and version.
COMMAND = re.compile(
    r"(?:<\?php\n)?// (?:node|php|go run|java|mcs .+?) (sms\.\w+)\b", re.IGNORECASE
)

WALK = re.compile(
    r"ACCESS_BALANCE:100\.00\nACCESS_NUMBER:(\d+):44\d+\nSTATUS_OK:(\d{5})\nACCESS_RETRY_GET\n"
    r"STATUS_OK:(?!\2)\d{5}\nACCESS_ACTIVATION\n"
)


def programs():
    """The language and text of each; PHP's streams take the place of the curl extension."""
    found = {block.kind: (block.kind, block.text) for block in ON_THE_PAGE if named(block)}
    (streams,) = (block.text for block in ON_THE_PAGE if block.kind == "php" and not named(block))
    whole, changed = re.subn(r"(?s)function sms\(.*?\n}\n", lambda _: streams, found["php"][1])
    assert changed == 1 and "curl" not in whole.partition(streams)[2]
    return found | {"php streams": ("php", whole)}


def named(block):
    return COMMAND.match(block.text)


PROGRAMS = programs()


def test_there_is_a_program_in_every_language_of_the_page():
    shown = {block.kind for block in ON_THE_PAGE} & (TOOLCHAINS.keys() - {"sh"})
    assert {language for language, _ in PROGRAMS.values()} == shown
    assert shown == {"csharp", "go", "java", "javascript", "php"}


@pytest.fixture(scope="module")
def begun(sandbox, tmp_path_factory):
    """All walks at once: most of a walk is waiting."""
    with ThreadPoolExecutor(len(PROGRAMS)) as pool:
        yield {
            name: pool.submit(walk, *program, sandbox.address, tmp_path_factory.mktemp("program"))
            for name, program in PROGRAMS.items()
            if not missing(program[0])
        }


@pytest.mark.parametrize("name", [pytest.param(n, marks=needs(PROGRAMS[n][0])) for n in PROGRAMS])
def test_a_program_goes_every_step(begun, name):
    begun[name].result()


def walk(language, text, address, folder):
    key = a_key()
    ask = program(language, text, address, key, folder / "own")
    status, printed = ask()
    seen = WALK.fullmatch(printed)
    assert status == 0 and seen, printed
    assert ask("getStatus", f"id={seen[1]}") == (0, "STATUS_CANCEL\n")
    _, number = ask("getNumber", "service=vk", "country=16")
    id = number.split(":")[1]
    assert ask("setStatus", f"id={id}", "status=8") == (0, "EARLY_CANCEL_DENIED\n")
    assert ask("getStatus", "id=4") == (0, "NO_ACTIVATION\n")
    refused = program(language, text, address, f"bad-{key}", folder / "bad")
    assert refused() == (1, "BAD_KEY\nBAD_KEY\n")


def program(language, text, address, key, folder):
    """What runs it with other words behind its name: its exit status, and what it printed."""
    folder.mkdir()
    source = folder / COMMAND.match(text)[1]
    source.write_text(text.replace("http://127.0.0.1:8080", address).replace('"KEY"', f'"{key}"'))
    command = built(language, source)

    def ask(*words):
        done = subprocess.run(
            [*command, *words],
            env=environment(language),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    return ask
