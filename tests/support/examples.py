"""How many examples a property is tried with: few with every run, ten times as many when asked."""

import os


def examples(few: int) -> int:
    return few * (10 if os.environ.get("TEST_LONG") else 1)
