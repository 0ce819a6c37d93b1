"""SMS through Aliyun (阿里云短信服务), template by template (channels 1.7).

`OK` means accepted for delivery, no more: what the carrier made of it is asked for afterwards
(QuerySendDetails), and so is a message whose answer was lost (by our id as `OutId`).
"""

from __future__ import annotations

import datetime as dt

import msgspec

from alerts.channels.aliyun import AliyunService, dialled
from alerts.channels.base import Fate, Outcome, OutcomeKind, masked, together
from alerts.channels.cloud import Cloud
from alerts.channels.entry import ChannelEntry, read_options
from alerts.channels.follow_up import Pending
from alerts.channels.template import MOST_CHARACTERS, USUAL
from alerts.message import Notification
from core.clock import Clock

URL = "https://dysmsapi.aliyuncs.com/"
VERSION = "2017-05-25"
# SendDate of QuerySendDetails is a day of China.
_CHINA = dt.timezone(dt.timedelta(hours=8))
# SendStatus: 1 waits for the carrier's receipt, 2 failed, 3 delivered.
_FAILED, _DELIVERED = 2, 3
# Wall seconds: a carrier's receipt comes within seconds or minutes; later it is of no use.
ASK_S, ASK_LONGEST_S, ASK_UNTIL_S = 10.0, 120.0, 1800.0


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
    ErrCode: str = ""


class AliyunSms(Cloud):
    """Sends one SMS to each number of a contact."""

    concurrency = 4
    pair = "an access key id and its secret"
    first_s, longest_s, until_s = ASK_S, ASK_LONGEST_S, ASK_UNTIL_S

    def __init__(self, entry: ChannelEntry, clock: Clock | None = None) -> None:
        self._options = read_options(entry, AliyunSmsOptions)
        super().__init__(entry, self._options, URL, clock)
        self._service = AliyunService(self._poster, self._key, self._secret, VERSION)

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        numbers = self.addresses(note)
        if not numbers:
            return self.without_recipient(note)
        return together(
            [Fate(masked(number), self._send(note, number, now_s)) for number in numbers]
        )

    def parameters(self, note: Notification, number: str) -> dict[str, str]:
        """Return what is sent for one number."""
        options = self._options
        variables = self._variables(note, options)
        return {
            "PhoneNumbers": dialled(number),
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
            sent = Pending(reply.text("BizId"), note.id, note.contact, number, now_s)
            self.follow_ups.add(sent)
            return Outcome(OutcomeKind.ACCEPTED, vendor_id=sent.id, vendor_code="OK")
        return self._service.refusal(reply)

    def _found(self, note: Notification, number: str, now_s: int) -> Outcome | None:
        """Ask what became of a message whose answer was lost; None if Aliyun does not know it."""
        detail = self._detail(note.id, number, now_s, now_s)
        if detail is None:
            return None
        if detail.SendStatus == _FAILED:
            return Outcome(
                OutcomeKind.PERMANENT, vendor_code="SendStatus 2",
                detail=f"运营商未能送达 the carrier did not deliver it: {detail.ErrCode[:40]}",
            )  # fmt: skip
        self.follow_ups.add(Pending("", note.id, note.contact, number, now_s))
        return Outcome(OutcomeKind.ACCEPTED, vendor_code=f"SendStatus {detail.SendStatus}")

    def _follow(self, sent: Pending, now_s: int) -> bool:
        """Take the carrier's word on a message; True if nothing more will come."""
        assert self._answers is not None
        detail = self._detail(sent.notification, sent.number, sent.began_s, now_s)
        if detail is None or detail.SendStatus not in (_FAILED, _DELIVERED):
            return False
        if detail.SendStatus == _DELIVERED:
            self._answers.delivered(sent.notification, "已送达手机 delivered to the phone")
        else:
            why = f"运营商未能送达 the carrier did not deliver it: {detail.ErrCode[:40]}"
            self._answers.undelivered(sent.notification, why)
        return True

    def _detail(self, notification: str, number: str, sent_s: int, now_s: int) -> _Detail | None:
        """Ask for the record of a message; None without one."""
        reply = self._service.call(
            "QuerySendDetails",
            {
                "PhoneNumber": dialled(number),
                "SendDate": dt.datetime.fromtimestamp(sent_s, _CHINA).strftime("%Y%m%d"),
                "PageSize": "50",
                "CurrentPage": "1",
            },
            now_s,
        )
        if isinstance(reply, Outcome) or reply.code != "OK":
            return None
        try:
            found = reply.body.get("SmsSendDetailDTOs", {})
            details = msgspec.convert(found, dict[str, list[_Detail]], strict=False)
        except msgspec.ValidationError:
            return None
        known = details.get("SmsSendDetailDTO", [])
        return next((one for one in known if one.OutId == notification), None)
