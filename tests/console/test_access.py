"""The console: who comes in, and what the page may do there."""

import asyncio
import re
from pathlib import Path

import pytest

from proxy.app.build import create_app
from proxy.config.settings import Config, ConsoleConfig, StoreConfig
from tests.support.console import API, OWN, TOKEN, a_browser
from tests.support.world import a_world, status_of

pytestmark = pytest.mark.anyio

FILES = sorted((Path(__file__).parents[2] / "proxy" / "console" / "static").iterdir())


async def test_elsewhere_than_in_the_sandbox_there_is_none_unless_it_is_wished(clock):
    async with a_world(clock) as world, a_browser(world.app) as browser:
        assert (await browser.get("/console")).status_code == 404


async def test_in_the_sandbox_it_is_open_and_can_be_locked_or_left_out(clock):
    def page(**console):
        config = Config(console=ConsoleConfig(**console)).for_sandbox("http://s/api/v1")
        return create_app(config, clock=clock, sandbox=True)

    statuses = []
    for app in (page(), page(token=TOKEN), page(enabled=False)):
        async with app.router.lifespan_context(app), a_browser(app) as browser:
            statuses.append((await browser.get("/console")).status_code)
    assert statuses == [200, 401, 404]


async def test_without_a_token_of_ones_own_one_is_drawn_at_each_start(clock):
    config = Config(store=StoreConfig(url="sqlite://"), console=ConsoleConfig(enabled=True))
    tokens = set()
    for _ in range(2):
        app = create_app(config, clock=clock)
        async with app.router.lifespan_context(app):
            path = app.state.console.path
        tokens.add(re.fullmatch(r"/console\?token=([\w-]{32})", path)[1])
    assert len(tokens) == 2


PATHS = ["/console", "/console/console.js", f"{API}/stream", f"{API}/lists", "/console/none"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": "console_8080=wrong"},
        {"Cookie": f"console_8080={TOKEN}"},
        {"Authorization": "Bearer \xff"},
        {"Authorization": "\xff"},
        {"Authorization": ""},
        {"Cookie": 'console_8080="\\777\\3"; =; \xff=\xff; console_8080'},
        {"Cookie": "\xff", "Origin": "http://["},
    ],
)
async def test_who_has_no_token_gets_401_and_nothing_else(world, path, headers):
    async with a_browser(world.app) as browser:
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = await browser.get(f"{path}?token=wrong", headers=encoded)
    assert answer.status_code == 401
    is_page = path == "/console"
    assert (answer.content != b"") == is_page, "only the page has a door"
    assert b"wrong</code>" not in answer.content and TOKEN.encode() not in answer.content
    assert "set-cookie" not in answer.headers
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_the_printed_address_gives_a_cookie_that_is_not_the_token(world):
    async with a_browser(world.app) as browser:
        answer = await browser.get(f"/console?token={TOKEN}")
        cookie = answer.headers["set-cookie"]
        assert TOKEN not in cookie
        assert cookie.endswith("; Path=/console; HttpOnly; SameSite=Strict")
        assert (await browser.get(f"{API}/lists")).status_code == 200
        browser.cookies.clear()
        assert (await browser.get(f"{API}/lists?token={TOKEN}")).status_code == 401
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert (await browser.get(f"{API}/lists", headers=bearer)).status_code == 200


@pytest.mark.parametrize(
    "query", [b"token=%ff", b"token=\xff", b"\xff", b"token", b"&&=", b"token=%"]
)
async def test_a_token_that_is_no_text_is_a_wrong_one(world, query):
    assert await status_of(world.app, "/console", query, host=b"localhost") == 401


async def test_who_tries_one_token_after_the_other_is_slowed_down(world):
    loop = asyncio.get_running_loop()
    async with a_browser(world.app) as browser:
        begun = loop.time()
        for _ in range(5):
            await browser.get("/console?token=wrong")
        assert loop.time() == begun
        await browser.get("/console?token=wrong")
        assert loop.time() == begun + 2


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 200),
        ("127.0.0.1:8080", 200),
        ("192.168.1.20", 200),
        ("[::1]:8080", 200),
        ("my.localhost", 200),
        ("evil.example:8080", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("proxy.internal", 403),
        ("", 403),
        ("[", 403),
        ("[]", 403),
        ("\xff", 403),
        ("localhost:port", 403),
        ("evil.example@localhost", 403),
        ("proxy", 403),
    ],
)
async def test_a_name_that_somebody_points_here_is_refused(world, host, status):
    async with a_browser(world.app) as browser:
        named = {"Host": host.encode("latin-1")}
        headers = {"Authorization": f"Bearer {TOKEN}".encode()} | named
        assert (await browser.get(f"{API}/lists", headers=headers)).status_code == status
        introduced = await browser.get(f"/console?token={TOKEN}", headers=named)
        assert introduced.status_code == status
        assert ("set-cookie" in introduced.headers) == (status == 200)


async def test_a_name_of_the_configuration_is_known(clock):
    wanted = ConsoleConfig(enabled=True, token=TOKEN, hosts=("Proxy.internal",))
    async with a_world(clock, console=wanted) as world, a_browser(world.app) as browser:
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "proxy.internal:8080"}
        assert (await browser.get(f"{API}/lists", headers=headers)).status_code == 200


FRAME = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-origin"}
LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/console", LINK, 200),
        ("GET", "/console", FRAME, 403),
        ("GET", "/console", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", f"{API}/lists", LINK, 403),
        ("GET", f"{API}/lists", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("GET", f"{API}/lists", {"Sec-Fetch-Site": "same-site"}, 403),
        ("GET", f"{API}/lists", {"Origin": "http://localhost:8080"}, 200),
        ("GET", f"{API}/lists", {"Origin": "http://localhost:9090"}, 403),
        ("GET", f"{API}/lists", {"Origin": "null"}, 403),
        ("GET", f"{API}/lists", {"Origin": "http://["}, 403),
        ("GET", f"{API}/lists", {"Origin": "http://[::1"}, 403),
        ("GET", f"{API}/lists", {"Origin": b"http://\xff"}, 403),
        ("GET", f"{API}/lists", {"Sec-Fetch-Site": b"\xff"}, 403),
        ("POST", f"{API}/balances", OWN | {"Origin": "http://["}, 403),
        ("POST", f"{API}/balances", {}, 403),
        ("POST", f"{API}/balances", OWN, 200),
        ("POST", f"{API}/balances", OWN | {"Origin": "http://evil.example"}, 403),
        ("POST", f"{API}/balances", OWN | {"Sec-Fetch-Site": "cross-site"}, 403),
        ("OPTIONS", f"{API}/balances", {"Origin": "http://evil.example"}, 403),
        ("POST", f"{API}/lists", OWN, 405),
        ("GET", "/console/none", {}, 404),
        ("GET", "/console/%2e%2e/config.py", {}, 404),
        ("GET", "/console/page.html", {}, 404),
        ("GET", "/console/door.html", {}, 404),
    ],
)
async def test_other_origins_and_frames_are_refused(world, method, path, headers, status):
    async with a_browser(world.app) as browser:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        answer = await browser.request(method, path, headers=bearer | headers)
    assert answer.status_code == status
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_the_policy_lets_nothing_foreign_in(console):
    answer = await console.get("/console")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("headers", "query", "says"),
    [
        ({}, "", "Sign in with the token"),
        ({"Cookie": "console_8080=of-an-earlier-start"}, "", "started anew, with another token"),
        ({}, "?token=wrong", "This token is wrong"),
    ],
)
async def test_the_door_says_where_the_token_is_printed(world, headers, query, says):
    async with a_browser(world.app) as browser:
        answer = await browser.get(f"/console{query}", headers=headers)
        for file in ("door.css", "icon.svg"):
            assert (await browser.get(f"/console/{file}")).status_code == 200
    assert answer.status_code == 401
    for text in (says, "the console: …/console?token=…", "console.token", "PROXY_CONSOLE_TOKEN"):
        assert text in answer.text
    policy = answer.headers["content-security-policy"]
    assert "form-action 'self'" in policy and "script-src" not in policy
    assert answer.headers["referrer-policy"] == "same-origin"


async def sent(browser, token, **headers):
    return await browser.post("/console", data={"token": token}, headers=headers)


async def test_the_door_takes_the_token_by_its_form(world):
    async with a_browser(world.app) as browser:
        answer = await sent(browser, TOKEN, Origin="http://localhost:8080")
        assert (answer.status_code, answer.headers["location"]) == (303, "console")
        assert TOKEN not in answer.headers["set-cookie"]
        assert (await browser.get("/console")).status_code == 200


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"token=wrong", {}, 401),
        (b"", {}, 401),
        (b"\xff\x00&token", {}, 401),
        (f"token={TOKEN}&more={'x' * 5000}".encode(), {}, 401),
        (f"token={TOKEN}".encode(), {"Origin": "http://evil.example"}, 403),
        (f"token={TOKEN}".encode(), {"Origin": "null"}, 403),
        (f"token={TOKEN}".encode(), {"Sec-Fetch-Site": "cross-site"}, 403),
        (f"token={TOKEN}".encode(), {"Host": "evil.example"}, 403),
    ],
)
async def test_a_form_with_a_wrong_token_or_of_another_page_gets_no_cookie(
    world, content, headers, status
):
    async with a_browser(world.app) as browser:
        answer = await browser.post("/console", content=content, headers=headers)
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers


async def test_wrong_tokens_in_the_form_are_slowed_down_with_all_others(world):
    loop = asyncio.get_running_loop()
    async with a_browser(world.app) as browser:
        for _ in range(5):
            await sent(browser, "wrong")
        begun = loop.time()
        await sent(browser, "wrong")
        assert loop.time() == begun + 2
        assert (await sent(browser, TOKEN)).status_code == 303
        assert loop.time() == begun + 2


async def test_a_refused_host_is_told_which_setting_allows_it(world):
    async with a_browser(world.app, host="proxy.internal:8080") as browser:
        said = (await browser.get("/console")).text
        assert "hosts: [proxy.internal]" in said and "PROXY_CONSOLE_HOSTS=proxy.internal" in said
        hostile = (await browser.get("/console", headers={"Host": "<script>x</script>"})).text
        assert hostile == "The Host header is no host name.\n"


@pytest.mark.parametrize(
    ("console", "sandbox", "says"),
    [
        (ConsoleConfig(enabled=True, token=TOKEN), False, '<a href="console">'),
        (ConsoleConfig(), False, "console.enabled"),
        (ConsoleConfig(), True, "nothing costs money"),
    ],
)
async def test_the_front_page_says_what_this_is_and_where_to_go(clock, console, sandbox, says):
    config = Config(store=StoreConfig(url="sqlite://"), console=console)
    config = config.for_sandbox("http://s/api/v1") if sandbox else config
    app = create_app(config, clock=clock, sandbox=sandbox)
    async with app.router.lifespan_context(app), a_browser(app) as browser:
        answer = await browser.get("/")
        assert answer.status_code == 200
        assert "handler_api.php" in answer.text and says in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        for path in ("/nothing", "/index.html", "/stubs"):
            assert (await browser.get(path)).status_code == 404


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
async def test_the_page_is_made_of_files_that_need_nobody(console, file):
    if file.suffix != ".html":
        assert (await console.get(f"/console/{file.name}")).content == file.read_bytes()
    text = file.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//[a-z]+\.|@import", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
    assert not re.search(r"\son\w+=|\sstyle=|<script>|<style>", text)
