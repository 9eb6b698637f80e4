"""Pages of other sites cannot use the sandbox; programs and curl can."""

import socket

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from proxy.app.build import create_app
from proxy.config.settings import Config, ConsoleConfig, load_config
from proxy.sandbox import create_sandbox
from proxy.sandbox.mount import beside
from tests.support.process import a_process
from tests.support.sandbox import NEVER, served
from tests.support.world import PATH, Wire, status_of

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain"}
SAME = {"Origin": "http://sandbox:8080", "Sec-Fetch-Site": "same-origin"}
CROSS = {"Sec-Fetch-Site": "cross-site"}
EVIL = {"Origin": "https://evil.example"}
NAMED = {"Host": "proxy.internal:8080"}
READS = ("/sandbox", "/sandbox/orders", "/api/v1/customer/balance")
PATHS = {"GET": READS, "POST": ("/sandbox/reset",), "OPTIONS": READS}


@pytest.fixture
async def http(clock):
    """A client of the proxy and the sandbox on one port."""
    sandbox = create_sandbox(clock=clock, sms_after=NEVER, hosts=("Proxy.internal",))
    config = Config(console=ConsoleConfig(enabled=False)).for_sandbox("http://s/api/v1")
    app = create_app(config, clock=clock, transport=Wire(sandbox), sandbox=True)
    transport = httpx.ASGITransport(beside(app, sandbox))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://sandbox:8080") as http,
    ):
        yield http


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        # Programs.
        ("GET", {}, 200),
        ("POST", {}, 200),
        ("POST", FORM, 200),
        ("POST", TEXT, 200),
        ("GET", {"Host": "127.0.0.1:8080"}, 200),
        ("POST", {"Host": "[::1]:8080"}, 200),
        ("POST", {"Host": "app.localhost"}, 200),
        ("POST", NAMED, 200),
        ("POST", {"Host": "evil.example"}, 403),
        ("GET", {"Host": "evil.example"}, 403),
        ("POST", {"Host": "["}, 403),
        ("POST", {"Host": b"\xff"}, 403),
        # Pages.
        ("GET", SAME, 200),
        ("POST", SAME | JSON, 200),
        ("POST", SAME | {"Content-Type": "application/json; charset=utf-8"}, 200),
        ("POST", SAME | {"Content-Type": "application/merge-patch+json"}, 200),
        ("POST", NAMED | JSON | {"Origin": "http://proxy.internal:8080"}, 200),
        ("POST", JSON | {"Sec-Fetch-Site": "none"}, 200),
        ("POST", SAME | FORM, 415),
        ("POST", SAME | TEXT, 415),
        ("POST", SAME | {"Content-Type": "text/plain; a=application/json"}, 415),
        ("POST", SAME, 415),
        ("POST", FORM | {"Sec-Fetch-Site": "same-origin"}, 415),
        ("POST", JSON | EVIL, 403),
        ("POST", JSON | CROSS, 403),
        ("POST", TEXT | EVIL, 403),
        ("GET", CROSS, 403),
        ("GET", EVIL, 403),
        ("GET", {"Sec-Fetch-Site": "same-site"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Origin": "http://["}, 403),
        ("POST", {"Origin": b"\xff"}, 403),
        ("OPTIONS", EVIL, 403),
    ],
)
async def test_programs_may_use_it_and_pages_of_other_sites_may_not(http, method, headers, status):
    for path in PATHS[method]:
        key = {"X-API-Key": "alice"}
        body = b'{"seed": 1}' if method == "POST" else None
        answer = await http.request(method, path, headers=key | headers, content=body)
        assert (path, answer.status_code) == (path, status)
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Host": "evil.example"}, "Host evil.example: add the name to console.hosts"),
        (EVIL, "a page of another site sent this (Origin https://evil.example): no setting"),
        (CROSS, "a page of another site sent this (Origin not given): no setting"),
        (SAME | TEXT, "Content-Type text/plain is not JSON; no setting allows it to a browser"),
        ({"Host": "e" * 5000 + ".example"}, "Host " + "e" * 100 + ": add"),
    ],
)
async def test_a_refusal_says_why_and_which_setting_allows_it(http, headers, why):
    answer = await http.post("/sandbox/reset", headers=headers, content=b"{}")
    assert answer.json()["error"].startswith(why)
    assert len(answer.content) < 400


async def test_a_browser_may_send_no_body_at_all(http):
    assert (await http.delete("/sandbox/faults", headers=SAME)).status_code == 200


async def test_a_body_of_unknown_length_is_a_body(http):
    async def body():
        yield b"{}"

    answer = await http.post("/sandbox/reset", headers=SAME | TEXT, content=body())
    assert answer.status_code == 415


async def test_what_is_refused_changes_nothing(http):
    before = (await http.get("/sandbox/clock")).json()
    push = {"content": b'{"seconds": 3600}'}
    await http.post("/sandbox/clock", headers=EVIL, **push)
    await http.post("/sandbox/clock", headers={"Host": "evil.example"}, **push)
    assert (await http.get("/sandbox/clock")).json() == before


@pytest.mark.parametrize("headers", [EVIL | CROSS, {"Host": "evil.example"}, SAME | TEXT])
@pytest.mark.parametrize("path", [PATH, f"/daisysms{PATH}", "/livez", "/readyz", "/metrics"])
async def test_the_paths_of_the_proxy_itself_are_open_to_every_host_and_page(http, path, headers):
    query = {"api_key": "key", "action": "getBalance"}
    assert (await http.get(path, params=query, headers=headers)).status_code == 200


@pytest.mark.parametrize("query", [b"\xff", b"%ff", b"a=%00", b"since=\xff"])
@pytest.mark.parametrize(
    "path",
    ["/sandbox/orders", "/sandbox/orders/", "/sandbox/none", "/api/v1/price", "/api/v1/price/",
     "/ws/orders", "/ws/orders/"],
)  # fmt: skip
async def test_bytes_that_are_no_text_in_a_query_are_no_bug(sandbox, path, query):
    assert await status_of(sandbox, path, query, host=b"sandbox") < 500


@pytest.fixture(scope="module")
def address():
    with served(create_sandbox(sms_after=NEVER)) as address:
        yield address


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"Origin": "http://sandbox"}, 404),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_socket_of_another_sites_page_is_refused_in_the_handshake(address, headers, status):
    """A socket of an order that is not there gets 404 from the sandbox itself."""
    port = int(address.rpartition(":")[2])
    sent = {name: f"{text}:{port}" if text == "http://sandbox" else text
            for name, text in headers.items()}  # fmt: skip
    url = f"ws://sandbox:{port}/ws/orders?order_id=x&api_key=k"
    with (
        socket.create_connection(("127.0.0.1", port)) as way,
        pytest.raises(InvalidStatus) as refused,
        connect(url, sock=way, additional_headers=sent),
    ):
        pass
    assert refused.value.response.status_code == status
    assert b'"error"' in refused.value.response.body


@pytest.mark.parametrize("only", [(), ("--upstream-only",)])
def test_the_command_guards_it_and_takes_the_names_of_the_configuration(tmp_path, only):
    environ = {"PROXY_CONSOLE_HOSTS": "proxy.internal"}
    with a_process("sandbox", *only, "--port", "0", log=tmp_path / "log", **environ) as url:

        def status(**headers):
            return httpx.get(f"{url}/sandbox/clock", headers=headers).status_code

        assert (status(), status(Host="proxy.internal")) == (200, 200)
        assert (status(Host="evil.example"), status(Origin="https://evil.example")) == (403, 403)


def test_the_names_are_where_it_listens_and_those_of_the_console():
    environ = {"PROXY_LISTEN_HOST": "a.example", "PROXY_CONSOLE_HOSTS": "b.example, c.example"}
    assert load_config(None, environ).hosts == ("a.example", "b.example", "c.example")
