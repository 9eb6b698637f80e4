"""The program under test: it buys a number and waits for its code, by the old protocol."""

import time
import urllib.parse
import urllib.request


def ask(endpoint: str, key: str, **parameters: str) -> str:
    query = urllib.parse.urlencode({"api_key": key, **parameters})
    with urllib.request.urlopen(f"{endpoint}?{query}", timeout=30) as answer:
        return answer.read().decode()


def buy(endpoint: str, key: str, service: str = "tg", country: str = "16") -> tuple[str, str]:
    """Returns the activation's id and the number. Raises ValueError with the word of a refusal."""
    answer = ask(endpoint, key, action="getNumber", service=service, country=country)
    if not answer.startswith("ACCESS_NUMBER:"):
        raise ValueError(answer)
    _, activation, number = answer.split(":")
    return activation, number


def wait_for_code(endpoint: str, key: str, activation: str) -> str | None:
    """Returns None if the activation has ended without a code."""
    while True:
        answer = ask(endpoint, key, action="getStatus", id=activation)
        word, _, code = answer.partition(":")
        if word == "STATUS_OK":
            return code
        if word == "STATUS_CANCEL":
            return None
        time.sleep(1)
