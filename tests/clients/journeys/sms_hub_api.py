"""sms-hub-api 0.1.5: its way in, and its words."""

import asyncio

from sms_hub_api import SmsHub, exceptions

from tests.clients.steps import Refused

WORDS = {exceptions.InvalidToken: "BAD_KEY", exceptions.NoActivation: "NO_ACTIVATION"}


def library(url, key):
    client = SmsHub(key)
    client.API_URL = url
    return client


class Connection:
    dialects = ("sms-activate", "")

    def __init__(self, url, key):
        self.client = library(url, key)

    def ask(self, question):
        try:
            return asyncio.run(question)
        except tuple(WORDS) as error:
            raise Refused(WORDS[type(error)]) from error

    def balance(self):
        return self.ask(self.client.get_balance())

    def buy(self, service):
        bought = self.ask(self.client.get_number(service, country=16))
        return bought.activation_id, bought.number

    def status(self, id):
        word, _, code = self.ask(self.client.get_status(id)).partition(":")
        return word, code or None

    def set(self, id, status):
        return self.ask(self.client.set_status(id, status))
