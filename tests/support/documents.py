"""The documents: every fenced block of every page, so that none stands there untried."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")])

_FENCE = re.compile(r" *(`{3,}|~{3,})(.*)")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    kind: str
    """The info string: what stands behind the opening fence."""
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    name, fence, begun, kind = str(page.relative_to(ROOT)), "", 0, ""
    lines: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        found = _FENCE.fullmatch(line)
        if fence and found and found[1] == fence:
            yield Block(name, begun, kind, textwrap.dedent("".join(lines)))
            fence = ""
        elif fence:
            lines.append(f"{line}\n")
        elif found:
            fence, kind, begun, lines = found[1], found[2].strip(), number, []
    assert not fence, f"{name}:{begun}: the block has no end"


BLOCKS = [block for page in PAGES for block in blocks(page)]
