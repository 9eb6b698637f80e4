"""axe-core, which looks at a page for whoever cannot see it; fetched by its name, never kept here.

https://github.com/dequelabs/axe-core, MPL-2.0.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.support.browser import Browser

NPM = shutil.which("npm")
PACKAGE = "axe-core@4.14.1"
# As `npm view axe-core@4.14.1 dist.integrity` says.
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="

RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(({ violations, passes }) => done({
  passed: passes.map((rule) => rule.id),
  violations: violations.flatMap((rule) => rule.nodes.map((node) =>
    `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary.replace(/\\s+/g, " ")}`)),
}));
"""


def fetched(folder: Path) -> str:
    """Its script, for a browser."""
    assert NPM, "no npm here; .ci/run installs it"
    command = [NPM, "pack", "--silent", "--ignore-scripts", PACKAGE]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    archive = folder / done.stdout.strip()
    digest = hashlib.sha512(archive.read_bytes()).digest()
    assert base64.b64encode(digest).decode() == SHA512
    with tarfile.open(archive) as held:
        script = held.extractfile("package/axe.min.js")
        assert script
        return script.read().decode()


def violations(browser: Browser, script: str) -> list[str]:
    """What is wrong with the page as it is now shown, by all its rules."""
    browser.run(script)
    found = browser.driver.execute_async_script(RUN)
    # It has looked at something.
    assert {"button-name", "color-contrast"} <= set(found["passed"]), found["passed"]
    return found["violations"]
