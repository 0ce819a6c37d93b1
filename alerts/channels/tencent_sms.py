"""SMS through Tencent Cloud (腾讯云短信): one call, one result for each number (channels 1.8).

Signed with TC3-HMAC-SHA256. The answer of a 200 holds an `Error` for the call, or a `Code` for each
number; `Ok` means accepted for delivery. What the carrier made of it is asked for afterwards.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac

import msgspec

from alerts.channels.base import Fate, Outcome, OutcomeKind, masked, together
from alerts.channels.cloud import Cloud
from alerts.channels.entry import ChannelEntry, read_options
from alerts.channels.follow_up import Pending
from alerts.channels.post import Answer, of_status
from alerts.channels.template import MOST_CHARACTERS, USUAL
from alerts.message import Notification
from core.clock import Clock

URL = "https://sms.tencentcloudapi.com/"
VERSION = "2021-01-11"
SERVICE = "sms"
CONTENT = "application/json"
_ALGORITHM = "TC3-HMAC-SHA256"
_RETRY = ("RequestLimitExceeded", "InternalError", "ResourceUnavailable")
_MISCONFIGURED = (
    "AuthFailure", "UnauthorizedOperation", "MissingParameter", "UnknownParameter",
    "InvalidAction", "NoSuchVersion", "UnsupportedRegion", "InvalidParameterValue.SdkAppId",
    "InvalidParameterValue.TemplateParameter", "FailedOperation.TemplateIncorrectOrUnapproved",
    "FailedOperation.TemplateParamSetNotMatchApprovedTemplate", "FailedOperation.Signature",
    "FailedOperation.InsufficientBalanceInSmsPackage", "FailedOperation.TemplateIdNotExist",
    "FailedOperation.MissingSignature", "LimitExceeded.AppCountryOrRegion",
)  # fmt: skip
# Per number: one SMS of the same content in 30 s (channels 1.8); the caps of a day outlive it.
_WAIT_S = {"LimitExceeded.DeliveryFrequencyLimit": 30.0,
           "LimitExceeded.PhoneNumberThirtySecondLimit": 30.0}  # fmt: skip


# Wall seconds: a carrier's receipt comes within seconds or minutes; later it is of no use.
ASK_S, ASK_LONGEST_S, ASK_UNTIL_S = 10.0, 120.0, 1800.0


class TencentSmsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`options` of kind `tencent-sms`.

    Attributes:
        app_id: SdkAppId of the SMS application.
        sign_name: Filed signature, without brackets.
        template: Id of the approved template.
        parameters: What fills its variables {1}, {2}, …: grade, place, hazard, what, time, number.
        parameter_characters: Longest variable that the template was approved for.
        region: Of the service.
    """

    app_id: str
    sign_name: str
    template: str
    parameters: tuple[str, ...] = USUAL
    parameter_characters: int = MOST_CHARACTERS
    region: str = "ap-guangzhou"


class _Error(msgspec.Struct):
    Code: str
    Message: str = ""


class _Status(msgspec.Struct):
    Code: str
    Message: str = ""
    PhoneNumber: str = ""
    SerialNo: str = ""


class _Pulled(msgspec.Struct):
    SerialNo: str = ""
    ReportStatus: str = ""
    Description: str = ""


class _Response(msgspec.Struct):
    Error: _Error | None = None
    SendStatusSet: list[_Status] = []
    PullSmsSendStatusSet: list[_Pulled] = []


class _Reply(msgspec.Struct):
    Response: _Response


class TencentSms(Cloud):
    """Sends one SMS to all numbers of a contact."""

    concurrency = 4
    pair = "a secret id and its key"
    first_s, longest_s, until_s = ASK_S, ASK_LONGEST_S, ASK_UNTIL_S

    def __init__(self, entry: ChannelEntry, clock: Clock | None = None) -> None:
        self._options = read_options(entry, TencentSmsOptions)
        super().__init__(entry, self._options, URL, clock)

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        numbers = self.addresses(note)
        if not numbers:
            return self.without_recipient(note)
        answer = self._call("SendSms", self.message(note, numbers), now_s)
        if isinstance(answer, Outcome):
            return answer
        outcome = self._outcome(answer, numbers)
        for number, fate in zip(numbers, outcome.fates, strict=False):
            if fate.outcome.kind is OutcomeKind.ACCEPTED and fate.outcome.vendor_id:
                sent = Pending(fate.outcome.vendor_id, note.id, note.contact, number, now_s)
                self.follow_ups.add(sent)
        return outcome

    def message(self, note: Notification, numbers: list[str]) -> dict[str, object]:
        """Return what is posted."""
        options = self._options
        variables = self._variables(note, options)
        return {
            "PhoneNumberSet": numbers,
            "SmsSdkAppId": options.app_id,
            "SignName": options.sign_name,
            "TemplateId": options.template,
            "TemplateParamSet": list(variables.values()),
            "SessionContext": note.id,
        }

    def _call(self, action: str, message: dict[str, object], now_s: int) -> Answer | Outcome:
        body = msgspec.json.encode(message)
        host = self._poster.host
        headers = {
            "content-type": CONTENT,
            "host": host,
            "x-tc-action": action,
            "x-tc-version": VERSION,
            "x-tc-timestamp": str(now_s),
            "x-tc-region": self._options.region,
            "authorization": authorization(body, host, now_s, self._key, self._secret),
        }
        return self._poster.post(body, headers)

    def _follow(self, sent: Pending, now_s: int) -> bool:
        """Take the carrier's word on a message; True if nothing more will come."""
        assert self._answers is not None
        message: dict[str, object] = {
            "BeginTime": sent.began_s - 60, "EndTime": now_s + 60, "Offset": 0, "Limit": 100,
            "PhoneNumber": sent.number, "SmsSdkAppId": self._options.app_id,
        }  # fmt: skip
        answer = self._call("PullSmsSendStatusByPhoneNumber", message, now_s)
        if isinstance(answer, Outcome) or answer.status != 200:
            return False
        try:
            pulled = msgspec.json.decode(answer.body, type=_Reply).Response.PullSmsSendStatusSet
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        for status in pulled:
            if status.SerialNo == sent.id and status.ReportStatus == "SUCCESS":
                self._answers.delivered(sent.notification, "已送达手机 delivered to the phone")
                return True
            if status.SerialNo == sent.id and status.ReportStatus == "FAIL":
                why = f"运营商未能送达 the carrier did not deliver it: {status.Description[:60]}"
                self._answers.undelivered(sent.notification, why)
                return True
        return False

    def _outcome(self, answer: Answer, numbers: list[str]) -> Outcome:
        if answer.status != 200:
            return of_status(answer)
        try:
            response = msgspec.json.decode(answer.body, type=_Reply).Response
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            response = _Response()
        if response.Error is not None:
            return self._refusal(response.Error.Code, response.Error.Message)
        said = {status.PhoneNumber: status for status in response.SendStatusSet}
        if len(numbers) == 1 and len(response.SendStatusSet) == 1:
            said = {numbers[0]: response.SendStatusSet[0]}
        return together([Fate(masked(number), self._fate(said.get(number))) for number in numbers])

    def _fate(self, status: _Status | None) -> Outcome:
        if status is None:  # a proxy's page, or no word of this number
            return Outcome(
                OutcomeKind.UNKNOWN, vendor_code="body", detail="the answer is not Tencent's"
            )
        if status.Code == "Ok":
            return Outcome(OutcomeKind.ACCEPTED, vendor_id=status.SerialNo, vendor_code="Ok")
        return self._refusal(status.Code, status.Message)

    def _refusal(self, code: str, message: str) -> Outcome:
        detail = f"{code}: {message}"[:300].replace(self._secret, "…").replace(self._key, "…")
        kind = OutcomeKind.PERMANENT
        if code.startswith(_RETRY) or code in _WAIT_S:
            kind = OutcomeKind.RETRY
        elif code.startswith(_MISCONFIGURED):
            kind = OutcomeKind.MISCONFIGURED
        return Outcome(
            kind, vendor_code=code[:80], retry_after_s=_WAIT_S.get(code), detail=detail,
            personal=code in _WAIT_S,
        )  # fmt: skip


def authorization(body: bytes, host: str, now_s: int, secret_id: str, secret_key: str) -> str:
    """Return the value of `Authorization` of a POST to the root, signed at *now_s*.

    Only content type and host are signed, as Tencent's own SDK does (channels 1.8).
    """
    signed = "content-type;host"
    request = (
        f"POST\n/\n\ncontent-type:{CONTENT}\nhost:{host}\n\n{signed}\n"
        f"{hashlib.sha256(body).hexdigest()}"
    )
    day = dt.datetime.fromtimestamp(now_s, dt.UTC).strftime("%Y-%m-%d")
    scope = f"{day}/{SERVICE}/tc3_request"
    text = f"{_ALGORITHM}\n{now_s}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = b"TC3" + secret_key.encode()
    for part in (day, SERVICE, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return (
        f"{_ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={signed},"
        f" Signature={signature}"
    )
