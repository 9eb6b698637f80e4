"""What `repoint` finds in a text, what it writes instead, and what it does not read."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from proxy.commands.repoint.finder import GATES, Finder
from proxy.commands.repoint.patch import diff
from proxy.commands.repoint.target import parse_target
from proxy.commands.repoint.tree import MAX_BYTES, Tree
from proxy.config.clients import load_clients
from proxy.legacy.dialects import DIALECTS
from proxy.model.errors import QuestionError
from tests.support.commands import ask

CLIENTS = load_clients()
SA = "http://127.0.0.1:8080/sms-activate"
DAISY = "http://127.0.0.1:8080/daisysms"
HERO = "http://127.0.0.1:8080/herosms"
API = "/stubs/handler_api.php"
DOLLARS = "caps and prices here are US dollars: convert it"
ELSEWHERE = f"its host is elsewhere: there {SA}, or /daisysms, /herosms"


def found(folder: Path, url: str = "http://127.0.0.1:8080"):
    tree = Tree(folder.resolve())
    files = Finder(CLIENTS, parse_target(url)).find(tree)
    return files, tree


def findings(folder: Path, **texts: str | bytes) -> list[tuple[str, str, bool]]:
    """What stands there, what to write, and whether the patch does; `a_py` is the file a.py."""
    for name, text in texts.items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / name.replace("_", ".")).write_bytes(data)
    return [(m.stands, m.write, m.is_patched) for file in found(folder)[0] for m in file.marks]


ADDRESSES = [
    # Whole addresses, of every site, scheme, port and way of writing a slash.
    (f"u = 'https://api.sms-activate.org{API}'", f"https://api.sms-activate.org{API}", SA + API),
    (f"http://sms-activate.ru{API}?api_key=", f"http://sms-activate.ru{API}", SA + API),
    (f"https://daisysms.com:443{API}", f"https://daisysms.com:443{API}", DAISY + API),
    (f"https://DaisySMS.com{API}", f"https://DaisySMS.com{API}", DAISY + API),
    (f"https://hero-sms.com{API}.", f"https://hero-sms.com{API}", HERO + API),
    (f"//smshub.org{API}", f"//smshub.org{API}", SA + API),
    ("https://smshub.org/stubs/handler_api", "https://smshub.org/stubs/handler_api",
     f"{SA}/stubs/handler_api"),
    ("http://api1.5sim.net/handler_api.php", "http://api1.5sim.net/handler_api.php",
     f"{SA}/handler_api.php"),
    (f"https://virtualsms.io{API}", f"https://virtualsms.io{API}", SA + API),
    (f"https://vak-sms.com/v2{API}", f"https://vak-sms.com/v2{API}", SA + API),
    (r'"https:\/\/daisysms.io\/stubs\/handler_api.php"',
     r"https:\/\/daisysms.io\/stubs\/handler_api.php",
     r"http:\/\/127.0.0.1:8080\/daisysms\/stubs\/handler_api.php"),
    (f"curl daisysms.com{API}", f"daisysms.com{API}", f"127.0.0.1:8080/daisysms{API}"),
    # Sites that the table does not know.
    (f"https://api.new-sms.example{API}", f"https://api.new-sms.example{API}", SA + API),
    (f"https://my-daisysms.example:8443{API}", f"https://my-daisysms.example:8443{API}",
     DAISY + API),
    # The part before handler_api.php.
    ("BASE='https://smsbower.page'", "https://smsbower.page", SA),
    ('Host = "http://sms-activate.ru/";', "http://sms-activate.ru/", f"{SA}/"),
    ("URL=https://hero-sms.com/stubs/", "https://hero-sms.com/stubs/", f"{HERO}/stubs/"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "stands", "write"), ADDRESSES)
def test_an_address_is_written_with_the_dialects_path(tmp_path, text, stands, write):
    assert findings(tmp_path, a_py=text) == [(stands, write, True)]


NOTHING = [
    "", "notsms-activate.org", "sms-activate.orgs", "sms-activate.org.evil.example",
    "support@sms-activate.org", "github.com/x/daisysms.com", "import sms_activate.org_x",
    f"http://127.0.0.1:8080/daisysms{API}", f"http://localhost:3000{API}", f"http://proxy{API}",
    "https://sms-activate.org/en/price", "https://sms-activate.org?ref=1",
    "https://virtualsms.io/api/v1", "https://virtualsms.io", "https://sms-man.com",
    "def handler_api(request): pass", "my_handler_api.php", "if u.startswith('https://'): pass",
    "action='keep'", "currency = 'EUR'", "currency=643", "max_price = 100", "getRentNumber()",
]  # fmt: skip


@pytest.mark.parametrize("text", NOTHING)
def test_what_means_something_else_is_not_found(tmp_path, text):
    assert findings(tmp_path, a_py=text) == []


OTHERS = [
    ("https://hero-sms.com/api/v1/activations", "other"),
    ("https://sms-activate.org/stubs/rent.php?x", "other"),
    ("https%3A%2F%2Fdaisysms.com%2Fstubs", "other"),
]


@pytest.mark.parametrize(("text", "kind"), OTHERS)
def test_what_a_text_alone_cannot_decide_is_left_to_a_person(tmp_path, text, kind):
    (tmp_path / "a.py").write_text(text)
    [mark] = found(tmp_path)[0][0].marks
    assert (mark.kind, mark.is_patched) == (kind, False)


COMPOSED = [
    "u = 'https://' + HOST + '/stubs/handler_api.php'",
    "$u = 'https://'.$host.'/stubs/handler_api.php';",
    'u = f"https://{HOST}/stubs/handler_api.php"',
    "const u = `https://${HOST}/stubs/handler_api.php`;",
    'u := fmt.Sprintf("https://%s/stubs/handler_api.php", host)',
    'u = "https://#{HOST}/stubs/handler_api.php"',
    'curl "https://$HOST/stubs/handler_api.php"',
    "u = 'https://' + \\\n  HOST + '/stubs/handler_api.php'",
    "base = 'https://' + SMS_HOST\n\n\n\nu = base + '/stubs/handler_api.php'",
]


@pytest.mark.parametrize("text", COMPOSED)
def test_a_host_in_another_file_is_patched_with_the_scheme_beside_the_path(tmp_path, text):
    assert findings(tmp_path, a_env="SMS_HOST=daisysms.com", b_py=text) == [
        ("daisysms.com", "127.0.0.1:8080/daisysms", True),
        ("https", "http", True),
    ]


def test_hosts_of_several_sites_are_patched_each_with_its_dialect(tmp_path):
    sites = "A = {'d': 'daisysms.com', 'h': 'hero-sms.com'}\n"
    text = sites + "u = f'https://{A[name]}/stubs/handler_api.php'"
    assert [write for _, write, _ in findings(tmp_path, a_py=text)] == [
        "127.0.0.1:8080/daisysms", "127.0.0.1:8080/herosms", "http"
    ]  # fmt: skip


def test_another_address_that_is_put_together_stays_as_it_is(tmp_path):
    text = "a = f'https://{OTHER}/x'\n\n\nu = f'http://{HOST}/stubs/handler_api.php'"
    assert findings(tmp_path, a_env="SMS_HOST=daisysms.com", b_py=text) == [
        ("daisysms.com", "127.0.0.1:8080/daisysms", True)
    ]


def test_a_host_that_a_library_gets_by_itself_is_left_to_a_person(tmp_path):
    text = "c = HTTPSConnection('daisysms.com')\nc.request('GET', '/stubs/handler_api.php?')"
    assert findings(tmp_path, a_py=text) == [
        ("daisysms.com", f"127.0.0.1:8080 with http and the path /daisysms{API}", False),
        (API, f"/daisysms{API}", False),
    ]


def test_a_path_whose_host_is_nowhere_is_left_to_a_person(tmp_path):
    assert findings(tmp_path, a_py=f"u = BASE + '{API}'") == [(API, ELSEWHERE, False)]


def test_a_path_behind_an_address_needs_nothing(tmp_path):
    texts = {"a_py": f"u = BASE + '{API}'", "b_yaml": "base: https://daisysms.com"}
    assert findings(tmp_path, **texts) == [("https://daisysms.com", DAISY, True)]


def test_a_site_with_two_protocols_counts_where_handler_api_does(tmp_path):
    texts = {"a_py": f"u = BASE + '{API}'", "b_env": "BASE=https://sms-man.com"}
    assert findings(tmp_path, **texts) == [("https://sms-man.com", SA, True)]


def test_the_proxy_may_be_anywhere(tmp_path):
    (tmp_path / "a.py").write_text(f"'https://daisysms.com{API}' 'https://' + 'daisysms.com'")
    marks = found(tmp_path, "https://gw.example/sms/")[0][0].marks
    assert marks[0].write == f"https://gw.example/sms/daisysms{API}"


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8080", "ftp://x", "http://", "http://a b", "http://u:secret@x", "http://x?a=1",
     f"http://x{API}", "http://x/daisysms", "http://x:0"],
)  # fmt: skip
def test_a_url_that_is_none_is_wrong_usage(tmp_path, url):
    with pytest.raises(QuestionError) as refused:
        parse_target(url)
    assert "secret" not in str(refused.value)
    assert ask("repoint", "--url", url, str(tmp_path))[0] == 2


USED = [
    ("action=getRentNumber&", "getRentNumber", "refused here: BAD_ACTION"),
    ("sa.getRentNumber(1)", "getRentNumber", "refused here: BAD_ACTION"),
    ("'action' => 'getMultiServiceNumber'", "getMultiServiceNumber", "refused here: NOT_AVAILABLE"),
    ('p.put("action", "keep")', "keep", "refused here: BAD_ACTION"),
    ("action: 'getNumberrr'", "getNumberrr", "refused here: BAD_ACTION"),
    ("currency=643", "currency=643", DOLLARS),
    ("'currency': 'RUB'", "'currency': 'RUB"[1:], DOLLARS),
    ('.Add("currency", "978")', 'currency", "978', DOLLARS),
    ("MAX_PRICE_RUB=30", "MAX_PRICE_RUB", DOLLARS),
    ("maxPriceRub = 5", "maxPriceRub", DOLLARS),
    ("max_price = 5  # руб", "max_price = 5  # руб", DOLLARS),
    ("maxPrice: 50,", "maxPrice: 50", DOLLARS),
]


@pytest.mark.parametrize(("text", "stands", "write"), USED)
def test_refused_actions_and_foreign_caps_are_named(tmp_path, text, stands, write):
    text = f"u = 'https://sms-activate.io{API}'\n{text}\n"
    assert findings(tmp_path, a_py=text)[1:] == [(stands, write, False)]


@pytest.mark.parametrize(
    "text",
    ["action=getNumber", "action: 'setStatus'", "currency=840", "currency: 'USD'", "maxPrice=0.5",
     "max_price = 5", "getRentNumberX", "forgetRentNumber"],
)  # fmt: skip
def test_what_is_served_and_dollars_are_not_named(tmp_path, text):
    assert len(findings(tmp_path, a_py=f"'https://sms-activate.io{API}'\n{text}\n")) == 1


def test_a_refused_action_has_the_word_of_each_dialect_of_the_program(tmp_path):
    text = f"'https://daisysms.com{API}' 'https://hero-sms.com{API}'\ngetExtraActivation"
    assert findings(tmp_path, a_py=text)[2][1] == (
        "refused here: BAD_ID (daisysms), BAD_ACTION (herosms)"
    )


PACKAGES = [
    ("requirements.txt", "requests\nsmsactivate==1.5\n", "smsactivate (pypi)"),
    ("poetry.lock", 'name = "async-sms-activate"\n', "async-sms-activate (pypi)"),
    ("pyproject.toml", 'd = ["Async_SMS_Activate>=0.1"]', "async-sms-activate (pypi)"),
    ("a.py", "from herosms import HeroSMSClient\n", "herosms (pypi)"),
    ("package.json", '{"dependencies": {"sms-activate-org": "1"}}', "sms-activate-org (npm)"),
    ("yarn.lock", "sms-activate@^1.0.1:\n", "sms-activate (npm)"),
    ("a.ts", "import { SMSActivate } from 'sms-activate'", "sms-activate (npm)"),
    ("a.js", "require('sms-activate-sdk')", "sms-activate-sdk (npm)"),
    ("go.mod", "require github.com/solodecode/sms-activate-go v1\n",
     "github.com/solodecode/sms-activate-go (go)"),
    ("a.go", 'import "github.com/robin-samuel/daisysms"', "github.com/robin-samuel/daisysms (go)"),
    ("composer.json", '{"require": {"danog/smsactivate": "dev"}}', "danog/smsactivate (composer)"),
    ("a.php", "$s = new \\danog\\SMSActivate($key);", "danog/smsactivate (composer)"),
    ("pom.xml", "<groupId>ru.sms-activate</groupId>", "ru.sms-activate:SMSActivateApi (maven)"),
    ("A.java", "import ru.sms_activate.SMSActivateApi;", "ru.sms-activate:SMSActivateApi (maven)"),
    ("a.csproj", '<PackageReference Include="SMSActivate.API" />', "SMSActivate.API (nuget)"),
    ("a.cs", "using SMSActivate.API;", "SMSActivate.API (nuget)"),
    ("Gemfile.lock", "    sms_activate (0.1.0)\n", "sms_activate (gem)"),
    ("a.rb", "require 'sms_activate'", "sms_activate (gem)"),
    ("Dockerfile", "RUN pip install --no-cache-dir daisy-sms", "daisy-sms (pypi)"),
    ("setup.sh", "npm i sms-activate", "sms-activate (npm)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "stands"), PACKAGES, ids=[p[0] for p in PACKAGES])
def test_a_client_package_is_found_and_how_it_is_repointed(tmp_path, name, text, stands):
    (tmp_path / name).write_text(text)
    [file] = found(tmp_path)[0]
    assert [(mark.stands, mark.is_patched) for mark in file.marks] == [(stands, False)]
    assert file.marks[0].write and "{" not in file.marks[0].write


@pytest.mark.parametrize("name", ["README.md", "notes.txt", "page.html"])
def test_a_text_for_people_is_read_for_whole_addresses_only(tmp_path, name):
    text = f"Use https://sms-activate.org, getRentNumber, https://sms-activate.org{API}"
    (tmp_path / name).write_text(text)
    [file] = found(tmp_path)[0]
    assert [mark.stands for mark in file.marks] == [f"https://sms-activate.org{API}"]


# The table


def test_everything_of_the_table_passes_the_gates_of_the_finder():
    hosts = [host for site in CLIENTS.sites.values() for host in site.hosts]
    own = [action for dialect in DIALECTS.values() for action in dialect.refused]
    names = [action for action in (*CLIENTS.actions, *own) if action != action.lower()]
    for packages in CLIENTS.packages.values():
        for name, package in packages.items():
            names += [name, *package.modules]
    missed = [w for w in (*hosts, *names) if not any(g.decode() in w.lower() for g in GATES)]
    assert missed == []
    assert all(not dialect.refused.keys() & set(CLIENTS.actions) for dialect in DIALECTS.values())


# The tree


def test_folders_that_are_not_the_programs_own_are_not_read(tmp_path):
    names = ("node_modules", "vendor", ".venv", "site-packages", ".git", "target", "obj", "bin",
             "made", "keep/me", "deep/er/out", "x/made")  # fmt: skip
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.py").write_text(f"https://daisysms.com{API}")
    (tmp_path / "own_venv").mkdir()
    (tmp_path / "own_venv" / "pyvenv.cfg").write_text("")
    (tmp_path / "a.csproj").write_text("")
    (tmp_path / ".gitignore").write_text("/made\n# no\nkeep/*\n!keep/me\ndeep/**/out/\n*.env\n")
    (tmp_path / "local.env").write_text(f"U=https://daisysms.com{API}")
    files, tree = found(tmp_path)
    assert [file.name for file in files] == ["local.env", "keep/me/a.py", "x/made/a.py"]
    assert tree.skipped == {"vendored folders": 9, "ignored folders": 2}


def test_scripts_in_a_folder_bin_are_read(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sms").write_text(f"curl https://daisysms.com{API}")
    assert [file.name for file in found(tmp_path)[0]] == ["bin/sms"]


def test_what_is_no_text_of_the_tree_is_skipped_and_counted(tmp_path):
    inside = tmp_path / "tree"
    inside.mkdir()
    text = f"https://daisysms.com{API}"
    (tmp_path / "outside.py").write_text(text)
    (inside / "a.py").write_text(text)
    (inside / "same.py").symlink_to("a.py")
    (inside / "out.py").symlink_to("../outside.py")
    (inside / "out").symlink_to("..")
    (inside / "loop").symlink_to(".")
    (inside / "self").symlink_to("self")
    (inside / "dev").symlink_to("/dev/zero")
    os.mkfifo(inside / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(inside / "socket"))
    (inside / "photo.jpg").write_text(text)
    (inside / "bytes").write_bytes(b"\0" + text.encode())
    (inside / "long.py").write_text("x" * MAX_BYTES + text)
    files, tree = found(inside)
    assert [file.name for file in files] == ["a.py"]
    assert tree.skipped == {
        "links that leave the tree": 3, "not files": 2, "binary": 2, "over 1 MiB": 1
    }  # fmt: skip


def test_a_file_that_goes_away_is_counted(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("sms")
    monkeypatch.setattr("proxy.commands.repoint.tree.FLAGS", os.O_RDONLY | os.O_DIRECTORY)
    assert found(tmp_path)[1].skipped == {"unreadable": 1}


def test_a_tree_of_too_many_names_has_an_end(tmp_path):
    for name in range(30):
        (tmp_path / f"{name}.py").write_text(f"https://daisysms.com{API}")
    (tmp_path / "folder").mkdir()
    tree = Tree(tmp_path, max_entries=10)
    assert len(list(tree.texts())) <= 10
    assert tree.skipped["folders behind the first 10 names"] >= 1


def test_a_folder_that_is_none_is_one_line_and_exit_code_1(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("file", "none", "loop"):
        code, said = ask("repoint", str(tmp_path / name))
        assert (code, said.count("\n"), said[:7]) == (1, 1, "Error: "), said


@pytest.mark.parametrize(
    "piece",
    ["a", ".", "/", "sms-activate.org", "api.sms-activate.org/", "://a/handler_api.php", "\\/",
     "://localhost/a/", "currency=", "max_price ", 'action="', "pip install ", "a." * 50 + API,
     "https://${", "daisysms.com" + "/a" * 200, "smsactivate ", f"https://smshub.org{API} "],
)  # fmt: skip
def test_a_line_of_any_length_is_read_in_bounded_time_and_memory(tmp_path, piece):
    """One MiB in one line; a quadratic pattern would need hours, and the test would not end."""
    text = (piece * (MAX_BYTES // len(piece)))[:MAX_BYTES]
    for name in ("a.py", "requirements.txt", "b.sh"):
        (tmp_path / name).write_text(text)
    files, _ = found(tmp_path)
    assert all(len(file.marks) <= 1000 for file in files)


def test_a_gitignore_of_hostile_patterns_is_read_in_bounded_time(tmp_path):
    lines = ["*a" * 90 + "b", "**/" * 60 + "x", "[" * 100, "a" * 5000, "!" * 50, "\0"]
    (tmp_path / ".gitignore").write_text("\n".join(lines * 1000))
    deep = tmp_path / "/".join(["a" * 50] * 20)
    deep.mkdir(parents=True)
    (deep / "a.py").write_text(f"https://daisysms.com{API}")
    assert len(found(tmp_path)[0]) == 1


# Output


def test_control_characters_of_names_and_lines_are_escaped(tmp_path):
    name = "a\x1b[31m\n\udcff.py"
    (tmp_path / name).write_text("u='https://x\u202e.example/stubs/handler_api.php'\n\x1b[2J")
    (tmp_path / "b.py").write_text(f"https://daisysms.com{API}")
    (tmp_path / f"c{name}").write_text(f"https://daisysms.com{API}")
    code, said = ask("repoint", str(tmp_path))
    assert code == 0 and "\x1b" not in said and "\\x1b[31m\\n\\udcff.py:1" in said
    code, said = ask("repoint", "--json", str(tmp_path))
    assert code == 0 and "\x1b" not in said
    assert json.loads(said)["findings"][-1]["file"] == f"c{name}"


def test_the_key_in_an_address_is_not_printed(tmp_path):
    (tmp_path / "a.py").write_text(f"https://daisysms.com{API}?api_key=planted-secret&action=x")
    for form in ((), ("--json",)):
        assert "planted-secret" not in ask("repoint", *form, str(tmp_path))[1]


TEXTS = {
    "plain.py": f"a\nb\nc\nd\ne = 'https://daisysms.com{API}'\nf\n".encode(),
    "crlf.py": f"a\r\nu = 'https://daisysms.com{API}'\r\nb\r\n".encode(),
    "no_end.py": f"https://daisysms.com{API}".encode(),
    "latin-1.php": f"// caf\xe9\n'https://daisysms.com{API}' // \xff\n".encode("latin-1"),
    "bom.py": b"\xef\xbb\xbf" + f"'https://daisysms.com{API}'\n".encode(),
    "cr.py": f"a\rhttps://daisysms.com{API}\rb".encode(),
    "a b/with space.py": f"https://daisysms.com{API}\n".encode(),
    'q"u\\o\t\n.py': f"https://daisysms.com{API}\n".encode(),
    "-dash é.py": f"https://daisysms.com{API}\n".encode(),
    "many.py": "".join(
        f"https://daisysms.com{API}\n" if line % 7 == 0 else f"{line}\n" for line in range(50)
    ).encode(),
}


def test_the_patch_keeps_every_byte_of_every_encoding_and_name(tmp_path):
    for name, data in TEXTS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    files, tree = found(tmp_path)
    patch = b"".join(part for file in files for part in diff(file, tree.read(file.name)))
    words = ["patch", "-p1", "--fuzz=0", "-d", str(tmp_path)]
    done = subprocess.run(words, input=patch, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for name, data in TEXTS.items():
        old = f"https://daisysms.com{API}".encode()
        assert (tmp_path / name).read_bytes() == data.replace(old, (DAISY + API).encode()), name


def test_utf_16_is_read_and_left_to_a_person(tmp_path):
    assert findings(tmp_path, a_cs=f"'https://daisysms.com{API}'\n".encode("utf-16")) == [
        (f"https://daisysms.com{API}", DAISY + API, False)
    ]


def test_a_file_that_changed_in_between_is_not_patched(tmp_path):
    (tmp_path / "a.py").write_text(f"https://daisysms.com{API}")
    [file], _ = found(tmp_path)
    assert list(diff(file, b"other")) == []
