"""The shipped tables, and a user's own over them."""

import pytest

from proxy.config.codes import Codes
from proxy.config.mappings import load_codes


@pytest.fixture(scope="module")
def codes() -> Codes:
    return load_codes()


@pytest.fixture
def own(tmp_path):
    """Writes one table of a user's own and loads all with it."""

    def load(file: str, text: str) -> Codes:
        (tmp_path / file).write_text(text, encoding="utf-8")
        return load_codes(tmp_path)

    return load
