"""`repoint`: the command and its options."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.commands.options import failed, json_option, or_exit

if TYPE_CHECKING:
    from proxy.commands.repoint.marks import FileMarks
    from proxy.commands.repoint.tree import Tree

SHOWN = 160
"""Characters of what stands in a file: a line may be of any length."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--patch", "as_patch", is_flag=True, help="Print the changes as a unified diff.")
@click.option(
    "--url",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Where the proxy will be.",
)
@json_option
def repoint(folder: Path, as_patch: bool, url: str, as_json: bool) -> None:
    """Say what to change in the program in FOLDER, so that it speaks to this proxy.

    Nothing is changed: `--patch` prints a diff for `patch -p1`.
    """
    from proxy.commands.repoint.finder import Finder
    from proxy.commands.repoint.target import parse_target
    from proxy.commands.repoint.tree import Tree
    from proxy.config.clients import load_clients
    from proxy.model.errors import QuestionError

    if as_patch and as_json:
        raise click.UsageError("--patch and --json exclude each other")
    try:
        finder = Finder(or_exit(load_clients), parse_target(url))
    except QuestionError as error:
        raise click.UsageError(f"--url: {error}") from error
    tree = Tree(_root(folder))
    try:
        files = finder.find(tree)
    except OSError as error:
        raise failed(f"{folder}: cannot be read: {error.strerror}") from error
    if as_json:
        _print_json(files, tree)
    elif as_patch:
        _print_patch(files, tree)
    else:
        _print_table(files, tree)


def _root(folder: Path) -> Path:
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "its links lead in a circle"
        raise failed(f"{folder}: cannot be read: {why}") from error
    if not root.is_dir():
        raise failed(f"{folder}: no folder: name the folder of the program")
    return root


def _rows(files: "list[FileMarks]") -> list[dict[str, Any]]:
    return [
        {
            "file": file.name,
            "line": mark.line,
            "kind": str(mark.kind),
            "stands": _clipped(mark.stands),
            "write": mark.write,
            "patched": mark.is_patched,
        }
        for file in files
        for mark in file.marks
    ]


def _print_json(files: "list[FileMarks]", tree: "Tree") -> None:
    from proxy.runtime.printable import visible_json

    found = {"findings": _rows(files), "files": tree.files, "skipped": dict(tree.skipped)}
    # A name that is not UTF-8 has halves of surrogate pairs, which only an escape can carry.
    click.echo(visible_json(json.dumps(found, indent=1, ensure_ascii=False)))


def _print_table(files: "list[FileMarks]", tree: "Tree") -> None:
    from proxy.commands.columns import columns
    from proxy.runtime.plural import counted

    rows = _rows(files)
    cells = [
        (f"{row['file']}:{row['line']}", row["stands"], f"{_sign(row)} {row['write']}")
        for row in rows
    ]
    if cells:
        click.echo(columns([("place", "stands there", "write"), *cells]))
    by_hand = sum(not row["patched"] for row in rows)
    found = counted(len(rows), "finding")
    read = counted(tree.files, "file")
    click.echo(f"{found} in {read}, {by_hand} not in the patch; {_skipped(tree)}")


def _print_patch(files: "list[FileMarks]", tree: "Tree") -> None:
    """The diff to the output, and all else to the error output."""
    from proxy.commands.columns import columns
    from proxy.commands.repoint.patch import diff

    for file in files:
        for part in diff(file, tree.read(file.name) or b""):
            click.echo(part, nl=False)
    rows = [
        (f"{row['file']}:{row['line']}", row["stands"], row["write"])
        for row in _rows(files)
        if not row["patched"]
    ]
    if rows:
        click.echo(f"not in the patch:\n{columns(rows)}", err=True)
    click.echo(_skipped(tree), err=True)


def _sign(row: dict[str, Any]) -> str:
    return "→" if row["patched"] else "by hand:"


def _skipped(tree: "Tree") -> str:
    parts = (f"{reason}: {count}" for reason, count in sorted(tree.skipped.items()))
    return f"skipped: {', '.join(parts) or 'nothing'}"


def _clipped(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
