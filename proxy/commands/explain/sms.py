"""What `explain --sms` says about the text of an SMS: its code, and why it is that."""

from typing import Any

from proxy.config.settings import Config
from proxy.config.sms_words import load_sms_words
from proxy.legacy.code import CodeFinder, Found


def explain_sms(config: Config, text: str) -> Found:
    """Finds the code of a text by the words of the configuration. Raises YamlFileError."""
    return CodeFinder(load_sms_words(config.own_tables)).explain(text)


def facts(found: Found) -> list[tuple[str, str]]:
    """The lines to print: a name and what it is."""
    lines = [("code", found.code or "none: the client gets the text")]
    if found.rule:
        lines.append(("rule", found.rule))
    return lines + [("decoy", f"{text}: {why}") for text, why in found.decoys]


def found_as_json(found: Found) -> dict[str, Any]:
    decoys = [{"text": text, "why": why} for text, why in found.decoys]
    return {"code": found.code, "rule": found.rule, "decoys": decoys}
