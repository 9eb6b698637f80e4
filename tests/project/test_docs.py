"""Every fenced block of the documents that is not a command: parsed, and held to the code.

Commands are run in test_docs_commands.py. A block of a kind that neither knows fails.
"""

import ast
import re
import shutil
import sqlite3
import subprocess
from configparser import ConfigParser
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import yaml
from click.testing import CliRunner

from proxy import __version__
from proxy.commands.main import main
from proxy.config.mappings import load_codes
from proxy.config.settings import Config, environment_names, load_config
from proxy.forwarding.delivery import signature
from proxy.legacy.dialects import DIALECTS
from proxy.model.errors import StoreError, YamlFileError
from proxy.store import open_store
from proxy.store.schema import STEPS
from tests import picture
from tests.support import schemas
from tests.support.documents import BLOCKS, PAGES, ROOT, Block

COMMANDS = ("sh", "console")

# What the examples of a configuration name and do not show.
SECRETS = {"VIRTUALSMS_KEY": "sandbox", "HOOK_SECRET": "a-secret"}
PROGRAM = """
keys:
  sha256:{}:
    name: shop
    upstream_key: env:VIRTUALSMS_KEY
"""


def of(kind: str, page: str = "") -> list[Block]:
    return [block for block in BLOCKS if block.kind == kind and block.page.startswith(page)]


def blocks(kind: str, page: str = ""):
    return pytest.mark.parametrize("block", of(kind, page), ids=str)


def test_every_block_is_of_a_kind_that_is_tried():
    known = {*COMMANDS, "yaml", "haproxy", "hosts", "ini", "python", "sql", "text"}
    unknown = [block for block in BLOCKS if block.kind not in known]
    # Run by tests/clients/test_recipes.py and test_repoint.py, which know this page alone.
    elsewhere = {"csharp", "go", "java", "javascript", "php"}
    tried = [b for b in unknown if b.page == "docs/repoint.md" and b.kind in elsewhere]
    assert [f"{block}: {block.kind!r}" for block in unknown if block not in tried] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.M | re.S)
    for link in re.findall(r"\]\(((?!https?:)[^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_document_stands_in_the_list_of_how_it_is_tested():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (.+) \| (.+) \|$", text.partition("holds the documents")[2], re.M)
    listed = {name for row, _ in rows for name in re.findall(r"`([^`]+)`", row)}
    there = {str(path.relative_to(ROOT)) for path in PAGES if path.parent == ROOT}
    there |= {"deploy/", "docs/images/", "Dockerfile", "LICENSE", "config.example.yaml"}
    assert there <= listed and "the other pages of `docs/`" in text
    tests = {name for _, row in rows for name in re.findall(r"`(tests/[^`]+)`", row)}
    assert tests and [name for name in (*listed, *tests) if not (ROOT / name).exists()] == []


# YAML


def of_what(data: object) -> str:
    """Told by its keys; "" for what is none of ours."""
    assert isinstance(data, dict)
    if "services" in data and all(isinstance(each, dict) for each in data["services"].values()):
        return "compose"
    if data.keys() <= {"services", "countries", "aliases"}:
        return "table"
    return "config" if data.keys() <= set(Config.__struct_fields__) else ""


def yaml_blocks(what: str):
    found = [block for block in of("yaml") if of_what(yaml.safe_load(block.text)) == what]
    return pytest.mark.parametrize("block", found, ids=str)


@blocks("yaml")
def test_every_yaml_is_something_that_is_tried(block):
    assert of_what(yaml.safe_load(block.text))


@yaml_blocks("config")
def test_every_configuration_is_taken_by_check(block, tmp_path, monkeypatch):
    text = block.text
    if "keys:" not in text:
        text += PROGRAM.format("0" * 64)
    if "tls_cert" in text:
        subject = ["-subj", "/CN=a", "-keyout", "proxy.key", "-out", "proxy.pem"]
        new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject]
        subprocess.run(new, cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.chdir(tmp_path)
    Path("proxy.yaml").write_text(text)
    done = CliRunner().invoke(main, ["check", "--config", "proxy.yaml"], env=SECRETS)
    assert (done.exit_code, done.output[:3]) == (0, "ok:"), done.output


@yaml_blocks("table")
def test_every_table_is_taken_by_the_proxy(block, tmp_path):
    name = re.match(r"# my-tables/(\w+\.yaml)\n", block.text)[1]
    (tmp_path / name).write_text(block.text)
    load_codes(tmp_path)


COMPOSE = {
    f"{path.relative_to(ROOT)}": path.read_text() for path in (ROOT / "deploy").glob("compose*")
} | {
    str(block): block.text
    for block in of("yaml")
    if of_what(yaml.safe_load(block.text)) == "compose"
}


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_knows_every_field_of_a_compose_file(name, tmp_path):
    (tmp_path / "compose.yaml").write_text(COMPOSE[name])
    assert schemas.faults("compose-spec", tmp_path / "compose.yaml") == ""


@pytest.mark.parametrize("name", COMPOSE)
def test_a_compose_file_is_whole_and_opens_no_port_to_others(name):
    data = yaml.safe_load(COMPOSE[name])
    assert data.keys() <= {"services", "volumes", "secrets", "networks"}
    for service in data["services"].values():
        assert "image" in service or "build" in service
        assert set(service.get("depends_on", [])) <= data["services"].keys()
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), f"{port} is open to all"
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            is_file = source.startswith("./")
            # A file that is mounted stands in the page, too.
            assert COMPOSE[name] and (source in data.get("volumes", {}) or is_file)
            assert not is_file or any(f"# {source[2:]}\n" in block.text for block in BLOCKS)
        environ = service.get("environment", {})
        assert all(isinstance(value, str) for value in environ.values())
        load_config(None, {k: re.sub(r"\$\{\w+:\?\}", "x", v) for k, v in environ.items()})
        names = {name for name in environ if name.startswith("PROXY_")}
        assert names <= environment_names()


# Other kinds


@blocks("haproxy")
def test_every_haproxy_configuration_is_whole(block, tmp_path):
    lines = [line for line in block.text.splitlines() if line.strip() and line[0] != "#"]
    heads = [line.split() for line in lines if line[0] != " "]
    assert {head[0] for head in heads} <= {"global", "defaults", "resolvers", "frontend", "backend"}
    sections = {tuple(head[:2]) for head in heads}
    words = [line.split() for line in lines if line[0] == " "]
    for first, *rest in words:
        if first == "default_backend":
            assert ("backend", rest[0]) in sections
        if "resolvers" in rest:
            assert ("resolvers", rest[rest.index("resolvers") + 1]) in sections
    # getNumber costs money: another server may be asked only if this one was not reached at all.
    assert ["retry-on", "conn-failure"] in words
    if program := shutil.which("haproxy"):
        (tmp_path / "haproxy.cfg").write_text(block.text)
        subprocess.run([program, "-c", "-f", tmp_path / "haproxy.cfg"], check=True)


@blocks("hosts")
def test_every_host_of_a_hosts_file_has_a_dialect(block):
    for line in block.text.splitlines():
        address, *names = line.split()
        assert address == "127.0.0.1" and names
        for name in names:
            assert any(dialect.host in name for dialect in DIALECTS.values()), name


@blocks("ini")
def test_every_addition_to_the_unit_has_its_sections(block):
    """That systemd takes it, test_deploy.py asks."""
    parser = ConfigParser(strict=False, interpolation=None, delimiters=["="])
    parser.read_string(block.text)
    assert set(parser.sections()) <= {"Unit", "Service", "Install"}


@blocks("python")
def test_every_python_can_be_read(block):
    """Those of two pages run in tests/clients/test_repoint.py and tests/testing/test_examples.py,
    the others here.
    """
    ast.parse(block.text)
    elsewhere = ("docs/repoint.md", "docs/testing.md")
    assert block.page in elsewhere or "def is_ours" in block.text


@blocks("python", "docs/webhooks.md")
def test_the_example_of_a_receiver_takes_our_signature_and_no_other(block):
    names = {}
    exec(compile(block.text, str(block), "exec"), names)
    body = b'{"activationId":1}'
    assert names["is_ours"](body, f"sha256={signature('secret', body)}", "secret")
    assert not names["is_ours"](body, f"sha256={signature('other', body)}", "secret")


@blocks("sql")
def test_every_sql_is_taken_by_postgresql(block, database):
    with psycopg.connect(database) as db:
        db.execute(block.text)
        # A role is of the whole server.
        db.rollback()


def test_the_page_on_upgrades_has_the_newest_store_and_what_an_older_version_says(tmp_path):
    page = (ROOT / "docs" / "upgrade.md").read_text()
    newest = re.search(r"^\| (\d+) \| (\d+\.\d+\.\d+) \|", page, re.M)
    assert (int(newest[1]), newest[2]) == (len(STEPS), __version__)
    path = tmp_path / "virtualsms-proxy.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"pragma user_version = {len(STEPS) + 1}")
    with pytest.raises(StoreError) as refused:
        open_store(f"sqlite:///{path}")
    [shown] = of("text", "docs/upgrade.md")
    said = str(refused.value).replace(str(tmp_path), "/data")
    assert re.sub(r"\d+", "N", shown.text) == re.sub(r"\d+", "N", f"Error: {said}\n")


def test_the_picture_of_the_rooms_is_what_the_code_says():
    shown = picture.shown(picture.PAGE.read_text())
    assert shown == picture.drawn(picture.rooms()), "run python -m tests.picture --write"


def test_the_architecture_names_files_and_what_is_in_them():
    text = picture.PAGE.read_text()
    for name in re.findall(r"`((?:\w+/)*\w+\.py)`", text):
        assert any((ROOT / folder / name).exists() for folder in ("", "proxy")), name
    named = re.findall(r"^\| `([\w/]+\.py)` \| `([\w-]+)` \|", text, re.M)
    named += [(file, name) for name, file in re.findall(r"`(\w+)` (?:in|of) `([\w/]+\.py)`", text)]
    steps = re.findall(r"`([\w/]+\.py)`: `(\w+)`", text)
    named += [(file, f"(?:def|class) {name}") for file, name in steps]
    assert len(steps) > 10 and len(named) > 50
    for file, name in named:
        source = next(
            ROOT / folder / file for folder in ("", "proxy") if (ROOT / folder / file).exists()
        )
        assert re.search(rf"\b{name}\b", source.read_text()), f"{file} has no {name}"


def test_rooms_that_import_each_other_are_a_circle_on_one_floor():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    imports = {room: frozenset(below) for room, below in imports.items()}
    assert picture.circles(imports) == {frozenset("bc")}
    assert picture.floors(imports) == {"a": 3, "b": 2, "c": 2, "d": 1}
    assert picture.drawn(imports).endswith("\n4 rooms on 3 floors, 1 circles\ncircle: b c\n")


# A table for each message of docs/mappings.md, and its fault in the line that the message names.
FAULTS = {
    "countries.yaml:12": "16: {iso: NO, dial: [44], eng: X}",
    "countries.yaml:13": "16: {iso: GB, dail: [44], eng: X}",
    "services.yaml:4": "  zzz: WhatsApp",
    "services.yml": "",
}


def test_every_message_about_a_table_is_what_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [block] = of("text", "docs/mappings.md")
    said = re.findall(r"^my-tables/([\w.]+(?::\d+)?): .*$", block.text, re.M)
    assert said == list(FAULTS)
    for line, where in zip(block.text.splitlines(), FAULTS, strict=True):
        assert line == message(where, FAULTS[where])


def message(where: str, fault: str) -> str:
    folder = Path("my-tables")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    name, _, line = where.partition(":")
    before = ["#"] * (int(line or 1) - 2) + (["aliases:"] if fault.startswith(" ") else ["#"])
    (folder / name).write_text("\n".join([*before, fault]))
    with pytest.raises(YamlFileError) as refused:
        load_codes(folder)
    return str(refused.value)
