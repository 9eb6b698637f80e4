"""sms-verifier 0.1.0, two commands: its way in, and its words."""

import json
import os
import subprocess
import sys

from tests.clients.stage import WITHIN
from tests.clients.steps import Refused

PROVIDER = ("--provider", "sms-activate")


class Connection:
    dialects = ("",)

    def __init__(self, folder, url, key):
        self.environ = {
            **os.environ,
            "SMS_PROVIDER_BASE_URL": url,
            "SMS_PROVIDER_API_KEY": key,
            # A list of numbers for each walk.
            "SMS_STATE_FILE": str(folder / key / "activations.json"),
        }

    def run(self, module, *words):
        """Its output; the word of a refusal is in the JSON of its error output."""
        command = [sys.executable, "-m", f"sms_verifier.{module}", *words]
        done = subprocess.run(
            command, env=self.environ, capture_output=True, text=True, timeout=WITHIN, check=False
        )
        if done.returncode:
            if module == "protocol":
                raise Refused(done.stdout.split()[-1])
            said = json.loads(done.stderr)
            raise Refused(said.get("response", said["error"]))
        return done.stdout.strip()

    def balance(self):
        name, balance = self.run("protocol", "balance", *PROVIDER).split()
        assert name == PROVIDER[1]
        return float(balance)

    def buy(self, service):
        order = ("order", "--service", service, "--country", "16", "--max-price", "9")
        bought = json.loads(self.run("core", *order, *PROVIDER))
        return bought["activation"], bought["phone"]

    def status(self, id):
        word, _, code = self.run("protocol", "status", "--activation", id, *PROVIDER).partition(":")
        if word == "NO_ACTIVATION":
            raise Refused(word)
        return word, code or None

    def wait(self, id):
        words = ("--activation", id, "--interval", "1", "--timeout", str(WITHIN))
        return json.loads(self.run("core", "wait", *words, "--no-cancel-on-timeout"))["code"]

    def set(self, id, status):
        """What it has a command for, by that, so that its list of numbers is right."""
        if name := {6: "finish", 8: "cancel"}.get(status):
            return json.loads(self.run("core", name, "--activation", id))["provider_resp"]
        words = ("--activation", id, "--status-code", str(status))
        return self.run("protocol", "set-status", *words, *PROVIDER)
