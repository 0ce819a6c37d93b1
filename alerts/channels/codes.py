"""What a vendor's own code in the body of an HTTP 200 means, as a table for each vendor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from alerts.channels.base import Outcome, OutcomeKind
from alerts.channels.post import Answer, of_status

_INTEGER = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Codes:
    """How one vendor says what became of a message.

    Attributes:
        vendor: Its name, for people.
        field, text: Keys of the code and of its words in the JSON answer.
        meaning: Class of each known refusal; any other is permanent.
        wait_s: Codes of a rate limit, and how long its window lasts in wall seconds.
    """

    vendor: str
    field: str
    text: str
    meaning: Mapping[int, OutcomeKind]
    wait_s: Mapping[int, float]


def outcome_of(answer: Answer, codes: Codes, secrets: tuple[str, ...]) -> Outcome:
    """Return what the vendor made of a message: 0 in the body means accepted, nothing else does.

    Args:
        answer: What came back.
        codes: How this vendor says it.
        secrets: Words that must not appear in the detail.
    """
    if answer.status != 200:
        return of_status(answer)
    try:
        reply = msgspec.json.decode(answer.body)
        code = _number(reply[codes.field]) if isinstance(reply, dict) else None
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError, RecursionError):
        code = None
    if code is None:
        # A proxy's page or a cut answer: the vendor didn't say that it has the message.
        return Outcome(
            OutcomeKind.UNKNOWN, vendor_code="body", detail=f"the answer is not {codes.vendor}'s"
        )
    if code == 0:
        return Outcome(OutcomeKind.ACCEPTED, vendor_code="0")
    text = str(reply.get(codes.text, ""))[:200]
    for secret in secrets:
        text = text.replace(secret, "…")
    if code in codes.wait_s:
        wait_s = answer.retry_after_s or codes.wait_s[code]
        return Outcome(
            OutcomeKind.RETRY, vendor_code=str(code), retry_after_s=wait_s, detail="rate limit"
        )
    kind = codes.meaning.get(code, OutcomeKind.PERMANENT)
    return Outcome(kind, vendor_code=str(code), detail=f"{codes.field} {code}: {text}")


def _number(code: object) -> int | None:
    """Return a code; some gateways between us and the vendor turn numbers into text."""
    if isinstance(code, str) and _INTEGER.fullmatch(code):
        return int(code)
    return code if type(code) is int else None
