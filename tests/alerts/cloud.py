"""Clouds that check a signature as the real ones do: from the request alone, with their own code.

Written from the vendors' descriptions, not from the channels: a fault of the signer shows here.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

from tests.alerts.vendor import Reply, Request


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class AliyunCloud:
    """Aliyun's RPC front door: ACS3-HMAC-SHA256, fifteen minutes of clock skew, nonces once.

    Attributes:
        keys: Secret by access key id.
        now_s: Its clock.
        act: What it does with a call that is signed: (action, parameters) to JSON.
    """

    keys: Mapping[str, str]
    now_s: int
    act: Callable[[str, dict[str, str]], dict[str, object]]
    nonces: set[str] = field(default_factory=set)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        parts = urlsplit(request.path)
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
        problem = self._problem(request, parts.path, parameters)
        if problem:
            body: dict[str, object] = {"Code": problem, "Message": problem, "RequestId": "R"}
            return Reply(400, json.dumps(body).encode())
        action = request.headers["x-acs-action"]
        self.calls.append((action, parameters))
        return Reply(200, json.dumps(self.act(action, parameters)).encode())

    def _problem(self, request: Request, path: str, parameters: Mapping[str, str]) -> str:  # noqa: PLR0911  # one for each refusal
        headers = request.headers
        given = re.fullmatch(
            r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})",
            headers.get("authorization", ""),
        )
        if given is None:
            return "IncompleteSignature"
        key, names, signature = given.groups()
        if key not in self.keys:
            return "InvalidAccessKeyId.NotFound"
        at = dt.datetime.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(
            tzinfo=dt.UTC
        )
        if abs(at.timestamp() - self.now_s) > 900:
            return "InvalidTimeStamp.Expired"
        signed = names.split(";")
        needed = {"host", *(name for name in headers if name.startswith("x-acs-"))}
        if signed != sorted(signed) or not needed <= set(signed):
            return "IncompleteSignature"
        if hashlib.sha256(request.body).hexdigest() != headers["x-acs-content-sha256"]:
            return "SignatureDoesNotMatch"
        query = "&".join(
            f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(parameters.items())
        )
        lines = [f"{name}:{headers[name].strip()}\n" for name in signed]
        canonical = "\n".join(
            [request.verb, path, query, "".join(lines), names, headers["x-acs-content-sha256"]]
        )
        right = hmac.new(
            self.keys[key].encode(),
            f"ACS3-HMAC-SHA256\n{_hex(canonical)}".encode(),
            hashlib.sha256,
        )
        if not hmac.compare_digest(right.hexdigest(), signature):
            return "SignatureDoesNotMatch"
        if headers["x-acs-signature-nonce"] in self.nonces:
            return "SignatureNonceUsed"
        self.nonces.add(headers["x-acs-signature-nonce"])
        return ""


@dataclass
class TencentCloud:
    """Tencent's API 3.0 front door: TC3-HMAC-SHA256, five minutes of clock skew.

    Attributes:
        keys: Secret key by secret id.
        now_s: Its clock.
        status: Code for each number.
        reports: What carriers say, by number: SUCCESS or FAIL.
    """

    keys: Mapping[str, str]
    now_s: int
    status: Mapping[str, str] = field(default_factory=dict)
    reports: dict[str, str] = field(default_factory=dict)
    calls: list[dict[str, object]] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        problem = self._problem(request)
        if problem:
            error = {"Error": {"Code": problem, "Message": "refused"}, "RequestId": "R"}
            return Reply(200, json.dumps({"Response": error}).encode())
        call = request.json
        if request.headers["x-tc-action"] != "SendSms":
            return self._pulled(call["PhoneNumber"])
        self.calls.append(call)
        said = [
            {"SerialNo": f"S:{number}", "PhoneNumber": number, "Fee": 1, "IsoCode": "CN",
             "Code": self.status.get(number, "Ok"), "Message": "m", "SessionContext": "x"}
            for number in call["PhoneNumberSet"]
        ]  # fmt: skip
        return Reply(200, json.dumps({"Response": {"SendStatusSet": said}}).encode())

    def _problem(self, request: Request) -> str:  # noqa: PLR0911  # one for each refusal
        headers = request.headers
        given = re.fullmatch(
            r"TC3-HMAC-SHA256 Credential=([^/]+)/([0-9-]+)/(\w+)/tc3_request,"
            r" SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
            headers.get("authorization", ""),
        )
        if given is None:
            return "AuthFailure.InvalidAuthorization"
        key_id, day, service, names, signature = given.groups()
        if key_id not in self.keys:
            return "AuthFailure.SecretIdNotFound"
        at_s = int(headers["x-tc-timestamp"])
        if abs(at_s - self.now_s) > 300:
            return "AuthFailure.SignatureExpire"
        if day != dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%d") or service != "sms":
            return "AuthFailure.SignatureFailure"
        if not {"content-type", "host"} <= set(names.split(";")):
            return "AuthFailure.SignatureFailure"
        lines = "".join(f"{name}:{headers[name].lower()}\n" for name in names.split(";"))
        canonical = "\n".join(
            ["POST", "/", "", lines, names, hashlib.sha256(request.body).hexdigest()]
        )
        text = f"TC3-HMAC-SHA256\n{at_s}\n{day}/{service}/tc3_request\n{_hex(canonical)}"
        secret = f"TC3{self.keys[key_id]}".encode()
        for part in (day, service, "tc3_request"):
            secret = hmac.digest(secret, part.encode(), "sha256")
        right = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, signature):
            return "AuthFailure.SignatureFailure"
        known = headers.get("x-tc-action") in ("SendSms", "PullSmsSendStatusByPhoneNumber")
        return "" if known else "InvalidAction"

    def _pulled(self, number: str) -> Reply:
        said = [
            {"SerialNo": f"S:{number}", "ReportStatus": status, "Description": "UNDELIV",
             "PhoneNumber": number, "UserReceiveTime": 0}
            for known, status in self.reports.items() if known == number
        ]  # fmt: skip
        return Reply(200, json.dumps({"Response": {"PullSmsSendStatusSet": said}}).encode())
