"""A small web shop under test: its sign-up sends a code to the visitor's phone and asks for it."""

import html
import secrets
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

SendSms = Callable[[str, str], None]

PAGE = "<!DOCTYPE html><html lang=en><title>{title}</title><h1>{title}</h1>{body}</html>"
ASK_PHONE = """
<form method=post action=/phone>
<label>Phone <input name=phone type=tel></label><button>Send code</button>
</form>"""
ASK_CODE = """
<form method=post action=/code><input name=phone type=hidden value="{phone}">
<label>Code <input name=code></label><button>Sign up</button>
</form>"""


class Shop(ThreadingHTTPServer):
    """`send_sms` gets a number and a text: the SMS gateway, or the sandbox in a test."""

    def __init__(self, send_sms: SendSms) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.send_sms = send_sms
        self.codes: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        self.show("Sign up", ASK_PHONE)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(parse_qsl(body))
        phone = form["phone"]
        if self.path == "/phone":
            code = self.server.codes[phone] = f"{secrets.randbelow(10**6):06d}"
            self.server.send_sms(phone, f"{code} is your code for the shop")
            self.show("Enter the code", ASK_CODE.format(phone=html.escape(phone, quote=True)))
        elif self.server.codes.get(phone) == form.get("code"):
            self.show("Welcome", f"<p>{html.escape(phone)} is confirmed.</p>")
        else:
            self.show("Wrong code", ASK_CODE.format(phone=html.escape(phone, quote=True)))

    def show(self, title: str, body: str) -> None:
        page = PAGE.format(title=title, body=body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the browser also asks for icons."""
