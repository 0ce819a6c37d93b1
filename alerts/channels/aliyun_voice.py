"""A telephone call through Aliyun (阿里云语音服务): text to speech, and key 1 takes over.

`SingleCallByTts` with an approved template, signed like an SMS (ACS3). What the called person
pressed is asked for (`QueryCallDetailByCallId`): Aliyun's own push is not signed, and a hub behind
a community's router needs no way in.
"""

from __future__ import annotations

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from alerts.channels.aliyun import AliyunService, Reply, dialled
from alerts.channels.base import Outcome, OutcomeKind
from alerts.channels.cloud import Cloud
from alerts.channels.entry import ChannelEntry, read_options
from alerts.channels.follow_up import Pending
from alerts.channels.template import MOST_CHARACTERS, USUAL
from alerts.channels.voice import KEY, CallOptions, call_each, is_called, least_grade
from alerts.incident import Kind
from alerts.message import Notification
from alerts.reply_code import Said
from core.clock import Clock

log = structlog.get_logger()

URL = "https://dyvmsapi.aliyuncs.com/"
VERSION = "2017-05-25"
# Product id of voice notifications, as QueryCallDetailByCallId wants it.
_PRODUCT = "11000000300006"
# `state` of a call that was answered; any other of an ended call is a failure.
_ANSWERED = "200000"
# Wall seconds: how often a call is asked for, and until when (ringing, two readings, the record).
ASK_S, ASK_UNTIL_S = 5.0, 300.0


class AliyunVoiceOptions(CallOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`options` of kind `aliyun-voice`.

    Attributes:
        template: Code of the approved text, `TTS_…`; it ends with "press 1 to take over".
        shown_number: Bought number that the called person sees; empty for the public pool.
        parameters: Its variables: grade, place, hazard, what, time, number.
        parameter_characters: Longest variable that the template was approved for.
    """

    template: str
    shown_number: str = ""
    parameters: tuple[str, ...] = USUAL
    parameter_characters: int = MOST_CHARACTERS


class _Record(msgspec.Struct, rename="camel"):
    state: str = ""
    state_desc: str = ""
    end_date: str = ""
    dtmf: str = ""


class AliyunVoice(Cloud):
    """Calls each number of a contact, and asks afterwards what became of the call.

    Args:
        entry: Of hub.toml.
        clock: For the pauses between two questions.
    """

    concurrency = 2
    pair = "an access key id and its secret"
    first_s, longest_s, until_s = ASK_S, ASK_S, ASK_UNTIL_S

    def __init__(self, entry: ChannelEntry, clock: Clock | None = None) -> None:
        self._options = read_options(entry, AliyunVoiceOptions)
        self._least = least_grade(entry, self._options)
        super().__init__(entry, self._options, URL, clock)
        self._service = AliyunService(self._poster, self._key, self._secret, VERSION)

    def takes(self, note: Notification) -> bool:
        """Only what somebody must take over, and the daily test."""
        return is_called(note, self._least)

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Call once."""
        if note.kind is Kind.TEST:
            return self._test(now_s)
        return call_each(
            self, note, self._least, self._answers,
            lambda number, code: self._call(note, number, code, now_s),
        )  # fmt: skip

    def parameters(self, note: Notification, number: str) -> dict[str, str]:
        """Return what is sent for one call."""
        options = self._options
        variables = self._variables(note, options)
        shown = {"CalledShowNumber": options.shown_number} if options.shown_number else {}
        return {
            "CalledNumber": dialled(number),
            "TtsCode": options.template,
            "TtsParam": msgspec.json.encode(variables).decode(),
            "PlayTimes": "2",
            "OutId": note.id[:15],  # Aliyun takes 1 to 15 bytes
            **shown,
        }

    def _call(self, note: Notification, number: str, code: str, now_s: int) -> Outcome:
        reply = self._service.call("SingleCallByTts", self.parameters(note, number), now_s)
        if isinstance(reply, Outcome):
            return reply
        if reply.code != "OK":
            return self._service.refusal(reply)
        call_id = reply.text("CallId")
        if call_id:
            self.follow_ups.add(Pending(call_id, note.id, note.contact, number, now_s, code))
        return Outcome(OutcomeKind.ACCEPTED, vendor_id=call_id, vendor_code="OK")

    def _test(self, now_s: int) -> Outcome:
        """See whether the account lets us in; nobody's telephone rings for a test."""
        reply = self._detail("0", now_s, now_s)
        if isinstance(reply, Outcome):
            return reply
        outcome = self._service.refusal(reply)
        if reply.code == "OK" or outcome.kind is OutcomeKind.PERMANENT:  # it knows us, not the call
            return Outcome(OutcomeKind.ACCEPTED, vendor_code=reply.code, detail="service answers")
        return outcome

    def _detail(self, call: str, began_s: int, now_s: int) -> Reply | Outcome:
        return self._service.call(
            "QueryCallDetailByCallId",
            {"CallId": call, "ProdId": _PRODUCT, "QueryDate": str(began_s * 1000)},
            now_s,
        )

    def _follow(self, call: Pending, now_s: int) -> bool:
        """Take what is known of a call; True if nothing more will come."""
        assert self._answers is not None
        reply = self._detail(call.id, call.began_s, now_s)
        if isinstance(reply, Outcome) or reply.code != "OK":
            return False
        try:
            record = msgspec.json.decode(reply.text_whole("Data"), type=_Record, strict=False)
        except (msgspec.MsgspecError, UnicodeError):
            return False
        if KEY in record.dtmf and call.code:
            try:
                said, _ = self._answers.take(self.name, [call.contact], call.code, "voice")
            except SQLAlchemyError:
                return False
            log.info("a key of a call", channel=self.name, contact=call.contact, said=said.value)
            call.code = "" if said is not Said.WRONG else call.code
        if not record.end_date:
            return False
        if record.state == _ANSWERED:
            self._answers.delivered(call.notification, "电话已接听 the call was answered")
        else:
            why = f"电话未接通 the call ended: {record.state} {record.state_desc[:60]}"
            self._answers.undelivered(call.notification, why)
        return True
