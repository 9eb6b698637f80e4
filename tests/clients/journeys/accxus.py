"""accxus 0.4.0, its two providers of this protocol: their way in, and their words."""

import asyncio

import aiohttp
import httpx
from accxus.core.sms.providers import HeroSmsProvider, SmsActivateProvider
from accxus.types import SmsProviderConfig

from tests.clients.steps import Refused

WORDS = {
    "PENDING": "STATUS_WAIT_CODE",
    "RECEIVED": "STATUS_OK",
    "CANCELLED": "STATUS_CANCEL",
}


class Connection:
    provider: type

    def __init__(self, url, key):
        self.url, self.key = url, key
        self.client = self.provider(SmsProviderConfig(api_key=key, base_url=url))

    def ask(self, question):
        try:
            return asyncio.run(question)
        except RuntimeError as error:
            raise Refused(str(error).rpartition(" ")[2]) from error
        except aiohttp.ClientResponseError as error:
            raise Refused(f"HTTP {error.status}") from error

    def balance(self):
        return self.ask(self.client.get_balance()).balance

    def buy(self, service):
        bought = self.ask(self.client.get_number(service, country=16))
        return bought.id, bought.phone

    def status(self, id):
        seen, code = self.ask(self.client.get_status(id))
        return WORDS[seen.value], code

    def set(self, id, status):
        match status:
            case 6:
                return self.ask(self.client.confirm(id))
            case 8:
                return self.ask(self.client.cancel(id))
        # It has no call for this; so another program does it.
        asked = {"api_key": self.key, "action": "setStatus", "id": id, "status": status}
        return httpx.get(self.url, params=asked).text


class SmsActivate(Connection):
    provider = SmsActivateProvider
    dialects = ("sms-activate", "")


class HeroSms(Connection):
    provider = HeroSmsProvider
    dialects = ("herosms", "sms-activate", "")
