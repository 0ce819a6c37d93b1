"""SMS through Aliyun (阿里云短信服务), template by template (channels 1.7).

`OK` means accepted for delivery, no more. Where an answer was lost, Aliyun is asked once whether it
has the message (QuerySendDetails, by our id as `OutId`).
"""

from __future__ import annotations

import datetime as dt
import re

import msgspec

from alerts.channels.aliyun import AliyunService
from alerts.channels.base import (
    Channel,
    ChannelEntry,
    ChannelError,
    Fate,
    Outcome,
    OutcomeKind,
    is_number,
    masked,
    read_key_and_signer,
    read_options,
    together,
    without_recipient,
)
from alerts.channels.post import Poster
from alerts.channels.template import MOST_CHARACTERS, USUAL, check_words, filling
from alerts.message import Notification

URL = "https://dysmsapi.aliyuncs.com/"
VERSION = "2017-05-25"
_KEY = re.compile(r"[A-Za-z0-9_.-]{8,64}")
# SendDate of QuerySendDetails is a day of China.
_CHINA = dt.timezone(dt.timedelta(hours=8))
# SendStatus: 1 waits for the carrier's receipt, 2 failed, 3 delivered.
_FAILED = 2


class AliyunSmsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`options` of kind `aliyun-sms`.

    Attributes:
        sign_name: Filed signature, without brackets.
        template: Code of the approved template, `SMS_…`.
        parameters: Names of its variables, in any order: grade, place, hazard, what, time, number.
        parameter_characters: Longest variable that the template was approved for.
    """

    sign_name: str
    template: str
    parameters: tuple[str, ...] = USUAL
    parameter_characters: int = MOST_CHARACTERS


class _Detail(msgspec.Struct):
    OutId: str = ""
    SendStatus: int = 0


class AliyunSms(Channel):
    """Sends one SMS to each number of a contact."""

    concurrency = 4

    def __init__(self, entry: ChannelEntry) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        self._options = read_options(entry, AliyunSmsOptions)
        check_words(entry, self._options.parameters)
        key, secret = read_key_and_signer(entry, _KEY, "an access key id and its secret")
        if not secret:
            raise ChannelError(f"channel {entry.name!r}: its secret lacks the second line")
        self._language = entry.language
        poster = Poster(
            entry.url or URL, allow_private=entry.allow_private, timeout_s=entry.timeout_s
        )
        self._service = AliyunService(poster, key, secret, VERSION)

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        numbers = [text for text in self.recipients.get(note.contact, ()) if is_number(text)]
        if not numbers:
            return without_recipient(note, self.name, "+8613800000000")
        return together(
            [Fate(masked(number), self._send(note, number, now_s)) for number in numbers]
        )

    def close(self) -> None:
        """Close connections."""
        self._service.close()

    def parameters(self, note: Notification, number: str) -> dict[str, str]:
        """Return what is sent for one number."""
        options = self._options
        variables = filling(
            note, options.parameters, self._language or note.language, options.parameter_characters
        )
        return {
            "PhoneNumbers": number.removeprefix("+86"),
            "SignName": options.sign_name,
            "TemplateCode": options.template,
            "TemplateParam": msgspec.json.encode(variables).decode(),
            "OutId": note.id,
        }

    def _send(self, note: Notification, number: str, now_s: int) -> Outcome:
        reply = self._service.call("SendSms", self.parameters(note, number), now_s)
        if isinstance(reply, Outcome):
            known = self._found(note, number, now_s) if reply.kind is OutcomeKind.UNKNOWN else None
            return known or reply
        if reply.code == "OK":
            return Outcome(OutcomeKind.ACCEPTED, vendor_id=reply.text("BizId"), vendor_code="OK")
        return self._service.refusal(reply)

    def _found(self, note: Notification, number: str, now_s: int) -> Outcome | None:
        """Ask what became of a message whose answer was lost; None if Aliyun does not know it."""
        day = dt.datetime.fromtimestamp(now_s, _CHINA).strftime("%Y%m%d")
        reply = self._service.call(
            "QuerySendDetails",
            {
                "PhoneNumber": number.removeprefix("+86"),
                "SendDate": day,
                "PageSize": "50",
                "CurrentPage": "1",
            },
            now_s,
        )
        if isinstance(reply, Outcome) or reply.code != "OK":
            return None
        try:
            whole = msgspec.convert(reply.body, dict[str, object])
            found = whole.get("SmsSendDetailDTOs", {})
            details = msgspec.convert(found, dict[str, list[_Detail]], strict=False)
        except msgspec.ValidationError:
            return None
        for detail in details.get("SmsSendDetailDTO", []):
            if detail.OutId == note.id:
                if detail.SendStatus == _FAILED:
                    return Outcome(OutcomeKind.PERMANENT, vendor_code="SendStatus 2",
                                   detail="the carrier did not deliver it")  # fmt: skip
                return Outcome(OutcomeKind.ACCEPTED, vendor_code=f"SendStatus {detail.SendStatus}")
        return None
