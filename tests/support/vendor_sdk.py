"""The vendor's own SDK 2.0.0, unmodified from PyPI, and a hand on the sandbox it speaks to."""

import importlib
import subprocess
import sys
from types import ModuleType
from typing import Any

import httpx
import pytest

PINNED = (
    "virtualsms==2.0.0 "
    "--hash=sha256:800453b8c38675893b1932aee906ea018dc50a7d7e7beed3ec3e31dd7ab166fb"
)
SOON = 60.0


@pytest.fixture(scope="session")
def sdk(pytestconfig: pytest.Config) -> ModuleType:
    """virtualsms 2.0.0, beside the 1.0.0 that is installed."""
    assert pytestconfig.cache
    place = pytestconfig.cache.mkdir("virtualsms-2.0.0")
    if not (place / "virtualsms-2.0.0.dist-info").exists():
        (place / "pinned.txt").write_text(PINNED)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        how = ["--no-deps", "--require-hashes", "-r", str(place / "pinned.txt")]
        subprocess.run([*pip, *how, "--target", str(place)], check=True)
    return _imported(str(place))


def _imported(place: str) -> ModuleType:
    """The package from there, leaving no trace for others who import the installed one."""
    names = ("virtualsms", "virtualsms.client", "virtualsms.exceptions")
    installed = {name: sys.modules.pop(name, None) for name in names}
    sys.path.insert(0, place)
    try:
        return importlib.import_module("virtualsms")
    finally:
        sys.path.remove(place)
        for name, module in installed.items():
            sys.modules.pop(name, None)
            if module:
                sys.modules[name] = module


class Sdk:
    """A client of the SDK, and a hand on the sandbox's controls."""

    def __init__(self, sdk: ModuleType, address: str) -> None:
        self.sdk = sdk
        self.address = address
        self.client = self.as_customer("alice")
        self.control = httpx.Client(base_url=f"http://{address}/sandbox/")

    def as_customer(self, key: str) -> Any:
        return self.sdk.VirtualSMS(key, base_url=f"http://{self.address}/api/v1", timeout=SOON)

    def steer(self, what: str, **wish: Any) -> Any:
        response = self.control.post(what, json=wish)
        assert response.status_code == 200, response.text
        return response.json()

    def calls(self, call: str) -> int:
        return int(self.control.get("requests", params={"call": call}).json()["count"])
