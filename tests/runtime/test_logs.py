"""The log: one line for an event, no key in it."""

import io
import json
import logging
import sys
import timeit
from time import thread_time

import pytest

from proxy.model import ClientKey
from proxy.runtime import logs

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
    logging.getLogger("x").warning("bought for %s, not %s", ClientKey.of(SECRET), SECRET)
    said = stderr()
    assert said.endswith(
        f"Z WARNING bought for key {ClientKey.of(SECRET).fingerprint}, not [key]\n"
    )
    assert said.count("\n") == 1


def test_libraries_that_log_addresses_are_not_heard(stderr):
    logs.set_up("debug", "text")
    for name in ("httpx", "httpcore.connection"):
        logging.getLogger(name).info("GET /x")
    assert stderr() == ""


def test_a_key_shows_itself_as_a_fingerprint_only():
    key = ClientKey.of(SECRET)
    assert SECRET not in f"{key} {key!r} {[key]} {key=} {key.upstream} {[key.upstream]}"


# What the log knows of secrets.

ODD = "planted+account/key=1&'\"\\%\u00e9"


def test_a_pinned_secret_stays_however_many_strangers_come():
    secrets = logs.Secrets()
    secrets.pin(SECRET.upper())
    for number in range(logs.MAX_LEARNT + 10):
        secrets.learn(f"key-of-a-stranger-{number}")
    assert secrets.redact(f"got {SECRET.upper()}.") == "got [key]."
    assert secrets.redact("key-of-a-stranger-5 x") == "key-of-a-stranger-5 x"
    assert secrets.redact(f"key-of-a-stranger-{logs.MAX_LEARNT + 9} x") == "[key] x"


def test_a_key_in_use_outlives_keys_that_are_tried_once():
    secrets = logs.Secrets()
    for number in range(2 * logs.MAX_LEARNT):
        secrets.learn("key-in-use")
        secrets.learn(f"key-of-a-stranger-{number}")
    assert secrets.redact("key-in-use") == "[key]"


def test_a_key_that_was_learnt_and_then_pinned_stays():
    secrets = logs.Secrets()
    secrets.learn("key-in-use")
    secrets.pin("key-in-use")
    for number in range(logs.MAX_LEARNT + 1):
        secrets.learn(f"key-of-a-stranger-{number}")
    assert secrets.redact("key-in-use") == "[key]"


@pytest.mark.parametrize(
    ("known", "text", "redacted"),
    [
        (("12345678", "1234567890"), "x1234567890y", "x[key]y"),
        (("1234567890", "12345678"), "x123456789y", "x[key]9y"),
        (("12345678", "56789abc"), "x123456789abcy", "x[key]y"),
        (("12345678",), "1234567812345678", "[key][key]"),
        (("with a space",), "it is with a space.", "it is [key]."),
        ((ODD,), f"as it is {ODD}", "as it is [key]"),
        ((ODD,), f"repr {ODD!r}", "repr '[key]'"),
        ((ODD,), "planted%2Baccount%2Fkey%3D1%26%27%22%5C%25%C3%A9", "[key]"),
        ((ODD,), "planted%2Baccount/key%3D1%26%27%22%5C%25%C3%A9", "[key]"),
        (("1234567", "", "a"), "a 1234567", "a 1234567"),
    ],
)
def test_a_secret_is_blanked_out_in_every_form_and_whole(known, text, redacted):
    for way in (logs.Secrets.pin, logs.Secrets.learn):
        secrets = logs.Secrets()
        for secret in known:
            way(secrets, secret)
        assert secrets.redact(text) == redacted


@pytest.mark.slow
def test_a_thousand_secrets_cost_no_more_than_one():
    def seconds(many):
        secrets = logs.Secrets()
        secrets.pin(*(f"key-{number:04}-of-a-program" for number in range(many)))
        line = "order 6f1c0f3e-1111-4222-8333-944455556666: its last state stands: key-0000 " * 3
        return min(
            timeit.repeat(lambda: secrets.redact(line), number=20, repeat=20, timer=thread_time)
        )

    assert seconds(1000) < 4 * seconds(1)


# Texts of strangers.

HOSTILE = "a\nb\r\x1b[31mred\x07\x9b1m\x7f\u202eevil\u2066\u2028\x00"
ESCAPED = r"a\nb\r\x1b[31mred\x07\x9b1m\x7f\u202eevil\u2066\u2028\x00"


def test_control_characters_are_escaped_in_text(stderr):
    logs.set_up("info", "text")
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("x").warning("said %s", HOSTILE, exc_info=True)
    first, *trace = stderr().rstrip("\n").split("\n")
    assert first.endswith(f" WARNING said {ESCAPED}")
    assert trace[0] == "  Traceback (most recent call last):"
    assert trace[-2:] == ["  ValueError: a", f"  {ESCAPED[3:]}"]
    assert all(line.startswith("  ") and line.isprintable() for line in trace)


def test_control_characters_are_escaped_in_json_and_mean_the_same(stderr):
    logs.set_up("info", "json")
    logging.getLogger("x").warning("said %s 😀", HOSTILE)
    (line,) = stderr().splitlines()
    assert line.isprintable()
    assert json.loads(line)["message"] == f"said {HOSTILE} 😀"


class Terminal(io.StringIO):
    def isatty(self):
        return True


PLAIN = [{"NO_COLOR": "1"}, {"TERM": "dumb"}]


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": ""}, *PLAIN])
def test_levels_have_colours_on_a_terminal_unless_nobody_wants_them(stderr, monkeypatch, environ):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    logs.set_up("debug", "auto")
    for level in ("debug", "info", "warning", "error"):
        getattr(logging.getLogger("x"), level)("\x1b[31m")
    told = [line.split(" ", 1)[1] for line in terminal.getvalue().splitlines()]
    names = ["DEBUG  ", "INFO   ", "WARNING", "ERROR  "]
    codes = [("", "")] * 4 if environ in PLAIN else [("\x1b[2m", "\x1b[0m"), ("", "")]
    codes += [("\x1b[33m", "\x1b[0m"), ("\x1b[31m", "\x1b[0m")]
    shown = zip(names, codes, strict=False)
    assert told == [f"{begin}{name}{end} \\x1b[31m" for name, (begin, end) in shown]


@pytest.mark.parametrize(("stream", "form"), [(io.StringIO, "text"), (Terminal, "json")])
def test_nothing_that_a_program_reads_has_colours(stderr, monkeypatch, stream, form):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", read := stream())
    logs.set_up("info", form)
    logging.getLogger("x").error("odd")
    assert "\x1b" not in read.getvalue() and "odd" in read.getvalue()
