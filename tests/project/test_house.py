"""The house of docs/architecture.md: which room may import which, and how big a file may grow.

The tests have rooms of the same names.
"""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from proxy.config.settings import DialectName
from proxy.legacy.dialects import DIALECTS

PROXY = Path(__file__).parents[2] / "proxy"
FILES = sorted(PROXY.rglob("*.py"))
TESTS = PROXY.parent / "tests"
TEST_FILES = sorted(TESTS.rglob("test_*.py"))
# Folders of tests that are named after no room.
OTHERS = {"support", "project", "product", "clients", "bench", "transcripts"}

# From the top down. A room may import what stands on the floors below its own.
FLOORS = (
    ("__main__",),
    ("commands", "testing"),
    ("app",),
    ("endpoint", "console"),
    ("services", "replicas"),
    ("purchases", "webhooks"),
    ("orders",),
    ("forwarding", "sandbox"),
    ("legacy", "upstream", "store", "config"),
    ("model", "runtime"),
)
FLOOR = {room: len(FLOORS) - number for number, rooms in enumerate(FLOORS) for room in rooms}

# One place for each library that does IO, and none for what the standard library or a frame has.
OWNERS = {
    "httpx": {"upstream/http.py"},
    "websockets": {"upstream/order_socket.py"},
    "uvicorn": {"app/server.py", "app/http_connection.py"},
    "httptools": {"app/http_connection.py", "upstream/http_connection.py"},  # one for each end
    "psycopg": {f"store/postgres/{name}.py" for name in ("store", "listener", "connection")},
    "psycopg_pool": {"store/postgres/store.py"},
    "cryptography": {"store/postgres/encryption.py"},
}


def name_of(path: Path) -> str:
    parts = path.relative_to(PROXY.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in FILES}


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


def files_imported(path: Path) -> set[str]:
    """A name is a file of the proxy, or something in one."""
    found = {name if name in NAMES else name.rpartition(".")[0] for name in imports(path)}
    return (found & NAMES.keys()) - {name_of(path)}


def rooms_imported(path: Path) -> set[str]:
    """Folders and files directly in `proxy/`; not the proxy's own version."""
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("proxy.")}
    return rooms - {"__version__", room_of(path)}


def room_of(path: Path) -> str:
    return path.relative_to(PROXY).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROXY)))
def test_a_room_imports_only_what_stands_below_it(path):
    own = room_of(path)
    assert own == "__init__" or own in FLOOR, f"{own} has no place in the picture yet"
    above = [room for room in rooms_imported(path) if FLOOR[room] >= FLOOR.get(own, 0)]
    assert above == []


def test_no_file_imports_itself_by_way_of_others():
    TopologicalSorter({name: files_imported(path) for name, path in NAMES.items()}).prepare()


def test_the_sandbox_knows_nothing_of_the_proxy_but_its_tables():
    users = [path for path in FILES if room_of(path) == "sandbox"]
    assert {room for path in users for room in rooms_imported(path)} == {"config", "runtime"}
    assert {name_of(path) for path in users if "config" in rooms_imported(path)} == {
        "proxy.sandbox.app"
    }


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_that_does_io_is_imported_in_one_place(library):
    users = {
        str(path.relative_to(PROXY))
        for path in FILES
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert users == OWNERS[library]


def test_only_commands_read_the_command_line():
    users = {room_of(path) for path in FILES if any(n.startswith("click.") or n == "click"
                                                    for n in imports(path))}  # fmt: skip
    assert users == {"commands"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROXY)))
def test_a_file_is_one_noun_and_says_what_it_is(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "the first line says what the file is"
    assert text.count("\n") <= 340
    assert path.stem not in {"utils", "helpers", "manager", "base", "core"}


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
            is_allowed = isinstance(node, allowed) or is_text or is_typing or is_main
            assert is_allowed or is_import_with_advice(node), (path, node.lineno)


def is_import_with_advice(node):
    """An import of what an extra installs; if it is missing, the error says which."""
    return isinstance(node, ast.Try) and all(isinstance(it, ast.Import) for it in node.body)


def test_the_configuration_names_the_dialects_that_there_are():
    assert DialectName.__args__ == tuple(DIALECTS)


# The tests themselves.


def test_no_file_imports_a_test_file():
    """What several need is in `tests/support/`."""
    names = {name_of(path) for path in TEST_FILES}
    found = [
        (str(path.relative_to(TESTS)), name)
        for path in TESTS.rglob("*.py")
        for name in imports(path)
        if {name, name.rpartition(".")[0]} & names
    ]
    assert found == []


def test_no_test_file_is_longer_than_500_lines():
    lines = {path.relative_to(TESTS): path.read_text().count("\n") for path in TEST_FILES}
    assert {str(path): count for path, count in lines.items() if count > 500} == {}


def test_a_test_file_stands_in_the_folder_of_the_room_that_it_tests():
    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("*.py")}
    folders -= {path.name for path in TESTS.glob("*.py")}
    assert folders - FLOOR.keys() <= OTHERS
    assert list(TESTS.glob("test_*.py")) == []
