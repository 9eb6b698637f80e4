"""`explain --sms`: the code of a text, the rule that found it, and what was taken for a decoy."""

import json

import pytest
from click.testing import CliRunner

from proxy.commands.main import main

TEXT = "Order 88120: 448120 is your code for EUR 120.00"


def ask(*words: str, typed: str | bytes = "") -> tuple[int, str]:
    done = CliRunner().invoke(main, ["explain", *words], input=typed)
    return done.exit_code, done.output


def test_it_says_the_code_its_rule_and_the_decoys():
    assert ask("--sms", TEXT) == (
        0,
        "code   448120\n"
        "rule   number is called code\n"
        "decoy  88120: behind a word for another number\n"
        "decoy  120.00: amount\n",
    )


def test_it_says_the_same_for_programs():
    code, said = ask("--sms", TEXT, "--json")
    assert code == 0
    assert json.loads(said) == {
        "code": "448120",
        "rule": "number is called code",
        "decoys": [
            {"text": "88120", "why": "behind a word for another number"},
            {"text": "120.00", "why": "amount"},
        ],
    }


def test_a_text_without_a_code_is_a_no():
    assert ask("--sms", "Welcome!") == (1, "code  none: the client gets the text\n")


def test_it_reads_the_text_whatever_bytes_it_has():
    assert ask("--sms", "-", typed="Your code\n\n448120\n")[1].startswith("code  448120\n")
    assert ask("--sms", "-", typed=b"\xff\xfe code 448120")[1].startswith("code  448120\n")
    assert ask("--sms", "-", typed="")[0] == 1


def test_control_characters_of_the_text_are_escaped():
    _, said = ask("--sms", "*\x1b[31m*4471 code 448120, https://x.example/\x1b[0m")
    assert "\x1b" not in said


def test_it_finds_by_the_own_words(tmp_path, monkeypatch):
    (tmp_path / "sms_words.yaml").write_text("code: {ours: [Losung]}\nlink: {ours: [gleich]}")
    monkeypatch.setenv("PROXY_MAPPINGS", str(tmp_path))
    assert ask("--sms", "Losung gleich WXYZQ")[1].startswith("code  WXYZQ\n")


@pytest.mark.parametrize("command", ["check", "explain"])
def test_a_wrong_word_is_named(tmp_path, monkeypatch, command):
    (tmp_path / "sms_words.yaml").write_text("code: {en: [pin1]}")
    monkeypatch.setenv("PROXY_MAPPINGS", str(tmp_path))
    words = ["--sms", "Hello"] if command == "explain" else []
    done = CliRunner().invoke(main, [command, *words])
    assert done.exit_code == 1
    assert "sms_words.yaml:1: word: 'pin1' has a digit" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["service=tg", "--sms", "Hello"], "WORDS and --sms are two questions"),
        ([], "Missing argument 'WORDS...'"),
    ],
)
def test_it_answers_one_question(words, said):
    code, printed = ask(*words)
    assert (code, said in printed) == (2, True)
