"""A sandbox full of numbers, for tests that look at the console's inbox."""

import time
from typing import Self

import httpx

from tests.support.process import PATIENCE

ARABIC = "رمز التحقق الخاص بك هو 445566"
# A turned-around text, a hidden character, and markup.
HOSTILE = "\u202ecode 4711\u202c for\u200b <b>you</b> <img src=x>"


class Desk:
    """Programs of a sandbox at `url`, and its simulated upstream."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def ask(self, query: str, key: str = "sandbox-key", dialect: str = "") -> str:
        return self._http.get(f"{dialect}/stubs/handler_api.php?api_key={key}&{query}").text

    def buy(self, service: str, country: int = 16, key: str = "sandbox-key") -> tuple[str, str]:
        """Its id and its phone."""
        said = self.ask(f"action=getNumber&service={service}&country={country}", key)
        assert said.startswith("ACCESS_NUMBER"), said
        _, id, phone = said.split(":")
        return id, phone

    def sms(self, phone: str, text: str) -> None:
        self.steer("sms", phone=phone, text=text)

    def read(self, id: str) -> None:
        """As its program does, until it has the SMS."""
        until = time.monotonic() + PATIENCE
        while self.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE":
            assert time.monotonic() < until
            time.sleep(0.05)

    def steer(self, path: str, **body: object) -> None:
        assert self._http.post(f"/sandbox/{path}", json=body).status_code == 200

    def cancel_early(self) -> None:
        id = self.ask("action=getNumber&service=wa", dialect="/daisysms").split(":")[1]
        self.ask(f"action=setStatus&status=8&id={id}", dialect="/daisysms")

    def fill(self) -> dict[str, str]:
        """One number of each kind: the phones by what they are."""
        phones, told = {}, []
        for name, service, text in (
            ("waiting", "vk", ""),
            ("coded", "tg", "Your verification code is 482913."),
            ("arabic", "ub", ARABIC),
            ("hostile", "go", HOSTILE),
            ("without a code", "fb", "Welcome!"),
        ):
            id, phones[name] = self.buy(service, 187 if name == "coded" else 16)
            if text:
                self.sms(phones[name], text)
                told.append(id)
            else:
                assert self.ask(f"action=getStatus&id={id}") == "STATUS_WAIT_CODE"
        for id in told:
            self.read(id)
        self.cancel_early()
        _, phones["of a long key"] = self.buy("mm", 6, "a-key-of-another-program")
        for _ in range(3):
            self.ask("action=getNumber&service=telegram&country=16")
        return phones
