"""Which rule decides how many texts, and how long a text takes.

    python -m tests.sms_rules [FILE ...]

Without a file it takes the texts of the tests. A file has a text in each line.
"""

import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import click

from proxy.config.sms_words import load_sms_words
from proxy.legacy.code import CodeFinder
from proxy.legacy.code.rules import REFERENCE, RULES, WEB_OTP
from tests.support.sms import by_kind, by_service

NAMES = (WEB_OTP, *(rule.name for rule in RULES), REFERENCE, "no code")


def counts(finder: CodeFinder, texts: list[str]) -> Counter[str]:
    return Counter(finder.explain(text).rule or "no code" for text in texts)


def microseconds(finder: CodeFinder, texts: list[str]) -> list[float]:
    """CPU time of each text, sorted."""
    took = []
    for text in texts:
        begun = time.process_time_ns()
        finder.explain(text)
        took.append((time.process_time_ns() - begun) / 1000)
    return sorted(took)


def main() -> None:
    if files := sys.argv[1:]:
        tables = {file: Path(file).read_text(encoding="utf-8").splitlines() for file in files}
    else:
        kinds = [sample.text for samples in by_kind().values() for sample in samples]
        tables = {"sms.txt": [sample.text for sample in by_service()], "sms_kinds.txt": kinds}
    finder = CodeFinder(load_sms_words())
    found = {file: counts(finder, texts) for file, texts in tables.items()}
    click.echo(f"{'rule':36}" + "".join(f"{Path(file).name:>15}" for file in tables))
    for name in NAMES:
        click.echo(f"{name:36}" + "".join(f"{found[file][name]:15}" for file in tables))
    for file, texts in tables.items():
        took = microseconds(finder, texts)
        median, longest = statistics.median(took), took[-1]
        click.echo(f"{Path(file).name}: median {median:.0f} µs, longest {longest:.0f} µs")


if __name__ == "__main__":
    main()
