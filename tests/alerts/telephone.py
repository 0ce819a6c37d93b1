"""A telephone company that speaks Twilio's API: it checks who calls and signs its questions."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

from tests.alerts.vendor import Reply, Request

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
TOKEN = "nobodysauthtoken"


@dataclass
class Telephone:
    """Takes orders for calls; `answer` plays one with a person who presses a key.

    Attributes:
        calls: Forms of the calls that were ordered.
        heard: What the called person heard.
    """

    calls: list[dict[str, str]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        pair = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return Reply(401, b'{"code":20003,"message":"Authenticate","status":401}')
        root = f"/2010-04-01/Accounts/{ACCOUNT}"
        if request.verb == "GET" and request.path == f"{root}.json":
            return Reply(200, json.dumps({"sid": ACCOUNT, "status": "active"}).encode())
        if request.verb != "POST" or request.path != f"{root}/Calls.json":
            return Reply(404, b'{"code":20404,"message":"not found","status":404}')
        form = dict(parse_qsl(request.body.decode(), strict_parsing=True))
        if not form["To"].startswith("+"):
            return Reply(400, b'{"code":21211,"message":"Invalid To","status":400}')
        self.calls.append(form)
        return Reply(
            201, json.dumps({"sid": f"CA{len(self.calls):032x}", "status": "queued"}).encode()
        )

    def press(self, key: str, post: Callable[[str, dict[str, str], str], str]) -> str:
        """The called person hears the text and presses a key; return what is heard then."""
        gather = ET.fromstring(self.calls[-1]["Twiml"]).find("Gather")  # noqa: S314  # our own
        assert gather is not None
        assert gather.attrib["method"] == "POST"
        self.heard.append("".join(gather.itertext()))
        form = {"CallSid": "CAx", "Digits": key, "From": self.calls[-1]["From"]}
        return self.post(gather.attrib["action"], form, post)

    def end(self, status: str, post: Callable[[str, dict[str, str], str], str]) -> str:
        """The call has ended."""
        return self.post(self.calls[-1]["StatusCallback"], {"CallStatus": status}, post)

    @staticmethod
    def post(
        url: str, form: dict[str, str], post: Callable[[str, dict[str, str], str], str]
    ) -> str:
        text = url + "".join(name + form[name] for name in sorted(form))
        mac = hmac.digest(TOKEN.encode(), text.encode(), "sha1")
        return post(url, form, base64.b64encode(mac).decode())


def encoded(form: dict[str, str]) -> bytes:
    return urlencode(form).encode()
