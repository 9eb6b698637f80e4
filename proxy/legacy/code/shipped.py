"""`find_code`: finds codes by the shipped table of words, for who was given no table."""

from functools import cache

import yaml

from proxy.legacy.code.finder import CodeFinder
from proxy.model.shipped import shipped_folder
from proxy.model.sms_words import SmsWords


def find_code(text: str) -> str | None:
    """Returns the code of an SMS text, without separators if it is a number, or None."""
    return _shipped_finder()(text)


@cache
def _shipped_finder() -> CodeFinder:
    """Reads `mappings/sms_words.yaml` once; `proxy.config.sms_words` is the strict reader."""
    file = shipped_folder() / "sms_words.yaml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    table = yaml.load(file.read_text(encoding="utf-8"), loader)
    return CodeFinder(SmsWords.of(table))
