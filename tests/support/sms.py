"""The SMS texts of the tests, each with its code: `sms.txt` by service, `sms_kinds.txt` by kind."""

import re
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]

_ESCAPE = re.compile(r"\\(?:n|x([0-9a-f]{2})|u([0-9a-f]{4}))")


class Sample(NamedTuple):
    code: str | None
    text: str


def by_service() -> list[Sample]:
    return [_sample(line) for line in _lines("sms.txt")[1:]]


def by_kind() -> dict[str, list[Sample]]:
    """The texts by the heading of their kind."""
    kinds: dict[str, list[Sample]] = {}
    for line in _lines("sms_kinds.txt")[1:]:
        if line.startswith("## "):
            samples = kinds[line.removeprefix("## ")] = []
        else:
            samples.append(_sample(line))
    return kinds


def _lines(name: str) -> list[str]:
    return (TESTS / name).read_text(encoding="utf-8").splitlines()


def _sample(line: str) -> Sample:
    code, _, text = line.partition("\t")
    return Sample(None if code == "-" else code, _ESCAPE.sub(_unescaped, text))


def _unescaped(found: re.Match[str]) -> str:
    number = found[1] or found[2]
    return chr(int(number, 16)) if number else "\n"
