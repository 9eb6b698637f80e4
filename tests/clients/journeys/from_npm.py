"""From npm, hero-sms 2.0.0 and sms-activate 1.0.1: their words."""

import functools

from tests.clients.steps import Refused

# Its errors say no word: the constructor of each stands for one.
KINDS = {"InvalidAPIKey": "BAD_KEY", "InvalidActivation": "NO_ACTIVATION"}


class Connection:
    name: str

    def __init__(self, driver, url, key):
        self.ask = functools.partial(driver.ask, name=self.name, url=url, key=key)

    def call(self, method, *words):
        answer = self.ask(method=method, words=words)
        if "kind" in answer:
            if answer.get("status"):
                raise Refused(f"{answer['kind']} {answer['status']}")
            raise Refused(answer.get("code") or KINDS.get(answer["kind"], answer["kind"]))
        return answer["result"]

    def balance(self):
        return self.call("getBalance")

    def set(self, id, status):
        return self.call("setStatus", id, status)


class HeroSms(Connection):
    name = "hero-sms"
    dialects = ("herosms", "sms-activate", "")

    def buy(self, service):
        bought = self.call("getNumber", {"service": service, "country": 16})
        return bought["activationId"], bought["phoneNumber"]

    def status(self, id):
        seen = self.call("getStatus", id)
        return seen["status"], seen.get("code")


class SmsActivate(Connection):
    name = "sms-activate"
    dialects = ("sms-activate", "")

    def buy(self, service):
        bought = self.call("getNumber", service, 16)
        return bought["id"], bought["number"]

    def status(self, id):
        word, code = self.call("getStatus", id), self.call("getCode", id)
        return ("STATUS_OK" if code else word), code
