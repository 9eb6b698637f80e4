"""`repoint` on a large tree: 20,000 files in under 10 s on a machine that does nothing else.

The suite reads a tenth of them; TEST_LONG=1 reads all.
"""

import os

import pytest

from proxy.commands.repoint.finder import Finder
from proxy.commands.repoint.target import parse_target
from proxy.commands.repoint.tree import Tree
from proxy.config.clients import load_clients
from tests.support.pace import within

FILES = 20_000 if os.environ.get("TEST_LONG") else 2_000
SECONDS = 10.0 * FILES / 20_000
OTHER = "def total(prices):\n    return sum(price.amount for price in prices)\n" * 60
OLD = OTHER + "URL = 'https://api.sms-activate.org/stubs/handler_api.php'\n"


@pytest.mark.slow
def test_a_large_tree_is_read_in_seconds(tmp_path):
    for number in range(FILES):
        folder = tmp_path / f"{number // 1000}" / f"{number // 50 % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.py").write_text(OTHER if number % 10 else OLD)
    tree, finder = Tree(tmp_path), Finder(load_clients(), parse_target("http://127.0.0.1:8080"))
    with within(SECONDS):
        files = finder.find(tree)
    assert (tree.files, len(files)) == (FILES, FILES // 10)
