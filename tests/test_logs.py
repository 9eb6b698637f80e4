"""The log: one line for an event, no key in it."""

import json
import logging

import pytest

from proxy import logs
from proxy.model import Key

SECRET = "vsms_0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        (f"GET /x?api_key={SECRET}&action=a", "GET /x?api_key=[key]&action=a"),
        ("GET /x?action=a&api_key=plain-old-key", "GET /x?action=a&api_key=[key]"),
        ("{'X-API-Key': 'plain-old-key', 'a': 1}", "{'X-API-Key': '[key]', 'a': 1}"),
        ("[(b'x-api-key', b'plain-old-key')]", "[(b'x-api-key', b'[key]')]"),
        (f"odd: {SECRET}.", "odd: [key]."),
        ("nothing here, keyboard", "nothing here, keyboard"),
    ],
)
def test_a_key_is_blanked_out_wherever_it_stands(text, logged):
    assert logs.redact(text) == logged


@pytest.fixture
def stderr(capsys):
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = before
    root.setLevel(level)


def test_json_is_one_object_a_line(stderr):
    logs.set_up("info", "json")
    logging.getLogger("foreign").info("asked with api_key=%s", SECRET)
    assert "asked with api_key=[key]" in stderr()
    try:
        raise RuntimeError(f"failed with api_key={SECRET}")
    except RuntimeError:
        logging.getLogger("foreign").exception("odd\nlines")
    (line,) = stderr().splitlines()
    event = json.loads(line)
    assert (event["level"], event["logger"], event["message"]) == ("error", "foreign", "odd\nlines")
    assert "RuntimeError: failed with api_key=[key]" in event["exception"]
    assert SECRET not in line


def test_text_is_for_people(stderr):
    logs.set_up("warning", "text")
    logging.getLogger("x").info("not shown")
    logging.getLogger("x").warning("bought for %s, not %s", Key(SECRET), SECRET)
    said = stderr()
    assert said.endswith(f"Z WARNING bought for key {Key(SECRET).fingerprint}, not [key]\n")
    assert said.count("\n") == 1


def test_libraries_that_log_addresses_are_not_heard(stderr):
    logs.set_up("debug", "text")
    for name in ("httpx", "httpcore.connection"):
        logging.getLogger(name).info("GET /x")
    assert stderr() == ""


def test_a_key_shows_itself_as_a_fingerprint_only():
    assert SECRET not in f"{Key(SECRET)} {Key(SECRET)!r} {[Key(SECRET)]} {Key(SECRET)=}"
