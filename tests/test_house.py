"""The house of docs/architecture.md: who may import whom, and how big a room may grow."""

import ast
from pathlib import Path

import pytest

PROXY = Path(__file__).parent.parent / "proxy"
FILES = sorted(PROXY.rglob("*.py"))

FOUNDATION = {
    *("address", "clock", "errors", "model", "plural", "printable", "runtime", "sheet"),
    *("tally", "urls"),
}
ROOMS = {"legacy", "upstream", "codes", "sandbox"}

IO = {"upstream", "store"}

# What each room may import beside itself and the foundation. Data flows down this list.
MAY_IMPORT = {
    "address": set(),
    "clock": set(),
    "errors": set(),
    "model": set(),
    "printable": set(),
    "urls": set(),
    "runtime": set(),
    "plural": set(),
    "sheet": set(),
    "tally": set(),
    "codes": set(),
    "tables": {"codes"},
    "config": {"legacy"},
    "config_secrets": {"config"},
    "logs": set(),
    "origin": set(),
    "connection": set(),
    "server": {"connection"},
    "legacy": set(),
    "upstream": {"store"},
    "store": set(),
    "ledger": {"legacy", "config", "programs", "columns"} | IO,
    "targets": {"programs", "config", "legacy", "codes", "store"},
    "kept": {"legacy", "store"},
    "account": {"kept", "legacy", "store"},
    "orders": {"account", "targets", "kept", "legacy"} | IO,
    "listing": {"legacy"},
    "pushes": {"orders", "legacy"} | IO,
    "list_reads": {"listing", "orders"} | IO,
    "reads": {"list_reads", "listing", "pushes", "orders", "legacy"} | IO,
    "forwards": {"targets", "store", "upstream"},
    "lookout": {"reads", "orders", "programs", "legacy"},
    "webhooks": {"reads", "orders", "legacy"} | IO,
    "subscriptions": {"webhooks", "config", "programs", "logs"} | IO,
    "cancels": {"reads", "orders", "legacy"} | IO,
    "programs": {"config", "codes", "upstream"},
    "purchase": {"codes", "legacy", "store"},
    "adoption": {"purchase", "orders", "legacy"} | IO,
    "journal": {"adoption", "purchase", "reads", "orders", "cancels", "legacy"} | IO,
    "takeover": {"purchase", "orders", "journal", "cancels"} | IO,
    "ceilings": {"journal", "purchase", "reads", "orders"} | IO,
    "purchases": {"ceilings", "purchase", "journal", "pushes", "orders", "legacy", "codes"} | IO,
    "actions": {
        "ceilings",
        "programs",
        "targets",
        "reads",
        "pushes",
        "orders",
        "purchase",
        "purchases",
        "journal",
        "cancels",
        "legacy",
        "codes",
    }
    | IO,
    "metrics": set(),
    "retention": {"orders"} | IO,
    "replicas": {"orders", "reads", "store", "takeover"},
    "gauges": {"actions", "forwards"},
    "entrance": {"legacy"},
    "protocol": {"programs", "logs", "actions", "entrance", "metrics", "legacy"},
    "console": {
        "actions",
        "cancels",
        "codes",
        "legacy",
        "logs",
        "metrics",
        "orders",
        "origin",
        "programs",
        "purchase",
    }
    | IO,
    "lifespan": {
        "actions",
        "console",
        "forwards",
        "lookout",
        "list_reads",
        "readiness",
        "replicas",
        "retention",
        "subscriptions",
    },
    "app": {
        "ceilings",
        "targets",
        "forwards",
        "webhooks",
        "subscriptions",
        "console",
        "lifespan",
        "logs",
        "programs",
        "list_reads",
        "readiness",
        "replicas",
        "gauges",
        "takeover",
        "protocol",
        "metrics",
        "actions",
        "pushes",
        "reads",
        "orders",
        "purchases",
        "journal",
        "cancels",
        "legacy",
    }
    | {"config", "config_secrets", "codes", "tables"}
    | IO,
    "sandbox": {"tables", "origin"},
    "columns": set(),
    "lookup": {"codes", "legacy"},
    "readiness": {"list_reads"} | IO,
    "health": {"config"},
    "explain": {"app", "actions", "purchases", "programs", "lookup", "config", "codes", "legacy"}
    | IO,
    "doctor": {"app", "readiness", "health", "server", "programs", "config", "legacy", "tally"}
    | IO,
    "commands": {"app", "server", "config", "tables", "programs", "columns"}
    | IO
    | {"lookup", "explain", "doctor", "health", "ledger", "targets", "subscriptions"},
    "cli": {"commands", "app", "server", "sandbox", "logs", "health"},
    "__main__": {"cli"},
}

COMMANDS = {f"commands/{path.name}" for path in (PROXY / "commands").glob("*.py")}

# One place for each library that does IO, and none for what the standard library or a frame has.
OWNERS = {
    "httpx": {"upstream/http.py"},
    "websockets": {"upstream/feed.py"},
    "uvicorn": {"server.py", "connection.py"},
    "httptools": {"connection.py"},
    "psycopg": {"store/postgres.py", "store/notices.py", "store/server.py"},
    "psycopg_pool": {"store/postgres.py"},
    "cryptography": {"store/seal.py"},
    "click": {"cli.py"} | COMMANDS,
}


def room(path: Path) -> str:
    return path.relative_to(PROXY).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Dotted names of all that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROXY)))
def test_a_room_imports_only_what_stands_below_it(path):
    own = room(path)
    allowed = MAY_IMPORT.get(own, set()) | FOUNDATION | {own, "__version__"}
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("proxy.")}
    assert own == "__init__" or own in MAY_IMPORT, f"{own} has no place in the picture yet"
    assert rooms <= allowed


def test_the_foundation_stands_on_nothing():
    for path in FILES:
        if room(path) in FOUNDATION:
            others = {name for name in imports(path) if name.startswith("proxy.")}
            assert {name for name in others if name.split(".")[1] != room(path)} == set()


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_that_does_io_is_imported_in_one_place(library):
    users = {
        str(path.relative_to(PROXY))
        for path in FILES
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert users == OWNERS[library]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROXY)))
def test_a_file_is_one_noun_and_says_what_it_is(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "the first line says what the file is"
    assert text.count("\n") <= 340
    assert path.stem not in {"utils", "helpers", "manager", "base"}


def test_nothing_happens_at_import():
    """No statement of a module but definitions, imports, tables and type-checking blocks."""
    allowed = (
        ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
        ast.Assign, ast.AnnAssign,
    )  # fmt: skip
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            is_main = path.name == "__main__.py"
            assert isinstance(node, allowed) or is_text or is_typing or is_main, (path, node.lineno)
