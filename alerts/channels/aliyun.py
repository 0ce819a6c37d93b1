"""Calls of Aliyun's RPC services, signed with ACS3-HMAC-SHA256, and what their answers mean.

SMS and voice calls share it. A refusal comes as `Code` in the body, of a 200 or of a 4xx
(channels 1.7); `OK` means that Aliyun has taken it over, not that anybody was reached.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from alerts.channels.base import Outcome, OutcomeKind
from alerts.channels.post import Answer, Poster, of_status

_ALGORITHM = "ACS3-HMAC-SHA256"
# Codes of a refusal by what can be done; any other is permanent (channels 1.7, and Aliyun's lists
# of common, SMS (isv., isp.) and voice errors).
_RETRY = ("Throttling", "ServiceUnavailable", "InternalError", "isp.SYSTEM_ERROR",
          "isp.GATEWAY_ERROR", "isv.TIMEOUT", "SignatureNonceUsed")  # fmt: skip
_MISCONFIGURED = (
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature",
    "InvalidTimeStamp", "InvalidSecurityToken", "Forbidden", "NoPermission", "MissingParameter",
    "UnsupportedOperation", "isp.RAM_PERMISSION_DENY", "isv.OUT_OF_SERVICE", "isv.ACCOUNT_",
    "isv.AMOUNT_NOT_ENOUGH", "isv.PRODUCT_UN", "isv.SMS_TEMPLATE_ILLEGAL", "isv.SMS_SIGN",
    "isv.TEMPLATE_MISSING_PARAMETERS", "isv.TEMPLATE_PARAMS_ILLEGAL", "isv.TTS_TEMPLATE_ILLEGAL",
    "isv.VOICE_", "isv.INVALID_JSON_PARAM", "isv.SYSTEM_",
)  # fmt: skip
# "触发分钟级流控Permits:1" passes by itself; the hour's and the day's limits outlive the message.
_MINUTE_LIMIT = ("minute", "分钟")
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the service said: its code (`OK` or a refusal's) and the whole body."""

    code: str
    body: Mapping[str, Any]

    def text(self, key: str) -> str:
        """Return a text of the body, short, "" where there is none."""
        return self.text_whole(key)[:200]

    def text_whole(self, key: str) -> str:
        """Return a text of the body, "" where there is none."""
        value = self.body.get(key, "")
        return value if isinstance(value, str) else ""


class AliyunService:
    """One service under one key pair. Safe to use from several threads.

    Args:
        poster: To the root of the service.
        key: Access key id.
        secret: Access key secret.
        version: Of the service's API.
    """

    def __init__(self, poster: Poster, key: str, secret: str, version: str) -> None:
        self._poster = poster
        self._key = key
        self._secret = secret
        self._version = version

    def call(self, action: str, parameters: Mapping[str, str], now_s: int) -> Reply | Outcome:
        """Call an action once; return what the service said, or the outcome where it didn't."""
        query = canonical_query(parameters)
        headers = {
            "host": self._poster.host,
            "x-acs-action": action,
            "x-acs-version": self._version,
            "x-acs-date": dt.datetime.fromtimestamp(now_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        }
        headers["authorization"] = authorization(query, headers, self._key, self._secret)
        answer = self._poster.post(b"", headers, query)
        return answer if isinstance(answer, Outcome) else _read(answer)

    def refusal(self, reply: Reply) -> Outcome:
        """Return the outcome of a reply that is not `OK`."""
        detail = f"{reply.code}: {reply.text('Message')}"
        detail = detail.replace(self._secret, "…").replace(self._key, "…")
        if reply.code == "isv.BUSINESS_LIMIT_CONTROL" and any(
            word in detail.lower() for word in _MINUTE_LIMIT
        ):
            return Outcome(
                OutcomeKind.RETRY, vendor_code=reply.code, retry_after_s=_MINUTE_S, detail=detail,
                personal=True,
            )  # fmt: skip
        kind = OutcomeKind.PERMANENT
        if reply.code.startswith(_RETRY):
            kind = OutcomeKind.RETRY
        elif reply.code.startswith(_MISCONFIGURED):
            kind = OutcomeKind.MISCONFIGURED
        return Outcome(kind, vendor_code=reply.code, detail=detail)


def dialled(number: str) -> str:
    """Return a number as Aliyun takes it: national in China, else its country without the plus.

    >>> dialled("+8613800000000"), dialled("+85291234567")
    ('13800000000', '85291234567')
    """
    return number.removeprefix("+86").removeprefix("+")


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Return parameters sorted and encoded as they are signed (RFC 3986).

    >>> canonical_query({"b": "a b", "a": "水*~"})
    'a=%E6%B0%B4%2A~&b=a%20b'
    """
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in sorted(parameters.items())
    )


def authorization(query: str, headers: Mapping[str, str], key: str, secret: str) -> str:
    """Return the value of `Authorization` for a call without a body.

    Args:
        query: As `canonical_query` writes it.
        headers: Lower-case names; all of them are signed.
        key: Access key id.
        secret: Access key secret.
    """
    names = sorted(headers)
    signed = ";".join(names)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    request = f"POST\n/\n{query}\n{lines}\n{signed}\n{headers['x-acs-content-sha256']}"
    text = f"{_ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{_ALGORITHM} Credential={key},SignedHeaders={signed},Signature={signature}"


def _read(answer: Answer) -> Reply | Outcome:
    try:
        body = msgspec.json.decode(answer.body)
        code = body["Code"] if isinstance(body, dict) else None
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError, RecursionError):
        body, code = {}, None
    if isinstance(code, str) and code and answer.status not in (408, 425, 429):
        if answer.status >= 500 and code == "OK":
            return of_status(answer)
        return Reply(code[:80], body)
    if answer.status != 200:
        return of_status(answer)
    # A proxy's page or a cut answer: nobody said that the message was taken.
    return Outcome(OutcomeKind.UNKNOWN, vendor_code="body", detail="the answer is not Aliyun's")
