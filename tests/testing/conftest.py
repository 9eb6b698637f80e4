"""The plugin's fixtures, also where the installed package is older than its entry point."""

import urllib.request

import pytest

from proxy.testing.plugin import sms_sandbox, sms_sandbox_options, sms_sandbox_session

__all__ = ["sms_sandbox", "sms_sandbox_options", "sms_sandbox_session"]


class Program:
    """A program of the old protocol."""

    def __init__(self, sandbox):
        self.sandbox = sandbox

    def ask(self, action, dialect="sms-activate", **parameters):
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        path = f"{dialect}/stubs/handler_api.php?api_key=sandbox&action={action}&{query}"
        url = f"{self.sandbox.url}/{path}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read().decode()

    def buy(self, service="tg"):
        """The activation's id, and the number."""
        word, id, number = self.ask("getNumber", service=service, country=16).split(":")
        assert word == "ACCESS_NUMBER"
        return id, number


@pytest.fixture
def program(sms_sandbox):
    return Program(sms_sandbox)
