"""The picture of docs/architecture.md: the rooms of the proxy, their floors, and what each imports.

A room is a folder or a file directly in proxy/. Its floor is the longest path of imports from it
down. `python -m tests.picture` prints the picture, `--write` puts it into the page, `--check` exits
with 1 where the page shows another one.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
WIDTH = 100
BLOCK = re.compile(r"(?<=<!-- python -m tests.picture --write -->\n```text\n).*?(?=```\n)", re.S)

Imports = Mapping[str, frozenset[str]]
"""Of each room, the other rooms that its files name in an import, inside functions too."""


def rooms(folder: Path = ROOT / "proxy") -> Imports:
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        found.setdefault(room, set()).update(_imported(path, folder.name))
    # Not a room: it holds the version alone.
    del found["__init__"]
    return {room: frozenset((names & found.keys()) - {room}) for room, names in found.items()}


def _imported(path: Path, package: str) -> set[str]:
    """The second part of each dotted name: `proxy.orders.index` and `from proxy import orders`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith(f"{package}.")}


def circles(imports: Imports) -> set[frozenset[str]]:
    """Rooms that import each other, directly or by way of others."""

    @cache
    def below(room: str) -> frozenset[str]:
        seen, left = set(), list(imports[room])
        while left:
            if (name := left.pop()) not in seen:
                seen.add(name)
                left += imports[name]
        return frozenset(seen)

    return {
        frozenset(other for other in imports if other in below(room) and room in below(other))
        for room in imports
        if room in below(room)
    }


def floors(imports: Imports) -> Mapping[str, int]:
    """1 is the lowest. Rooms of one circle stand on the same floor."""
    same = {room: circle for circle in circles(imports) for room in circle}

    @cache
    def floor(circle: frozenset[str]) -> int:
        beneath = {name for room in circle for name in imports[room]} - circle
        return 1 + max((floor(of(name)) for name in beneath), default=0)

    def of(room: str) -> frozenset[str]:
        return same.get(room, frozenset({room}))

    return {room: floor(of(room)) for room in imports}


def drawn(imports: Imports) -> str:
    found, level = circles(imports), floors(imports)
    wide = max(map(len, imports))
    lines = []
    for room in sorted(imports, key=lambda room: (-level[room], room)):
        below = sorted(imports[room], key=lambda name: (-level[name], name))
        head = f"{level[room]:2}  {room:{wide}}  "
        text = f"→ {' '.join(below)}" if below else "imports no other room"
        lines += textwrap.wrap(
            text,
            WIDTH,
            initial_indent=head,
            subsequent_indent=" " * (len(head) + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
    count = f"{len(imports)} rooms on {max(level.values())} floors, {len(found)} circles"
    lines += ["", count, *(f"circle: {' '.join(sorted(circle))}" for circle in found)]
    return "\n".join(lines) + "\n"


def shown(text: str) -> str:
    """What the page shows; empty where it has no picture."""
    found = BLOCK.search(text)
    return found[0] if found else ""


@click.command()
@click.option("--check", is_flag=True, help="Exit with 1 where the page shows another picture.")
@click.option("--write", is_flag=True, help="Put the picture into the page.")
def main(check: bool, write: bool) -> None:
    """Draw the rooms of the proxy from its imports."""
    picture, text = drawn(rooms()), PAGE.read_text()
    if write:
        PAGE.write_text(BLOCK.sub(lambda _: picture, text, count=1))
    elif not check:
        click.echo(picture, nl=False)
    elif shown(text) != picture:
        click.echo(f"{PAGE.name} shows another picture: run python -m tests.picture --write")
        sys.exit(1)


if __name__ == "__main__":
    main()
