"""Buys a number, waits for its code and prints it: a program of 2023."""

import sys
import time
from urllib.parse import urlencode
from urllib.request import urlopen

from settings import API_KEY, BASE

HANDLER = "/stubs/handler_api.php"


def call(**parameters):
    query = urlencode({"api_key": API_KEY, **parameters})
    with urlopen(f"{BASE}{HANDLER}?{query}", timeout=30) as answer:
        return answer.read().decode()


def main():
    _, number, _ = call(action="getNumber", service="tg", country=16, operator="any").split(":")
    while (status := call(action="getStatus", id=number)) == "STATUS_WAIT_CODE":
        time.sleep(0.1)
    sys.stdout.write(f"code: {status.split(':')[1]}\n")
    call(action="setStatus", id=number, status=6)


if __name__ == "__main__":
    main()
