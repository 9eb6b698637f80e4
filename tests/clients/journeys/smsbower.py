"""smsbower 0.1.0: its way in, and its words."""

from smsbower import SmsBowerClient, SmsBowerError

from tests.clients.stage import HANDLER
from tests.clients.steps import Refused


def library(url, key):
    return SmsBowerClient(key, base_url=url.removesuffix(HANDLER))


class Connection:
    dialects = ("sms-activate", "")

    def __init__(self, url, key):
        self.url, self.key = url, key

    def ask(self, question):
        try:
            with library(self.url, self.key) as client:
                return question(client)
        except SmsBowerError as error:
            raise Refused(error.code) from error

    def balance(self):
        return self.ask(lambda client: client.get_balance())

    def buy(self, service):
        number = self.ask(lambda client: client.get_number(service, country=16))
        return number.id, number.number

    def status(self, id):
        seen = self.ask(lambda client: client.get_status(id))
        return seen.status, seen.code

    def set(self, id, status):
        return self.ask(lambda client: client.set_status(id, status))
