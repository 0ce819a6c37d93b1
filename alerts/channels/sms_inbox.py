"""What comes in over a modem: delivery reports, and replies of those who were told.

A reply counts only from a number of a contact of this channel; nobody else is even answered.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from alerts.channels.base import Answers, masked
from alerts.channels.pdu import Incoming, Report
from alerts.channels.sms_text import answer_text, codes_in
from alerts.message import exercise_mark
from alerts.reply_code import Said
from core.clock import Clock

log = structlog.get_logger()

# A modem's reference is one octet: the 257th part reuses the first one's.
REFERENCES = 256
# Answers to one number in an hour (wall): nobody runs up the bill of a SIM.
ANSWERS, ANSWERS_S = 6, 3600.0
# So many numbers of a reply are looked at: a code, and perhaps a room or a year.
_MOST_CODES = 3


@dataclass(slots=True)
class Sent:
    """One message whose parts await their reports.

    Attributes:
        notification: Its id; "" for an answer, of which nobody waits for a report.
        recipient: Number.
        parts: References of the parts that have not arrived yet.
    """

    notification: str
    recipient: str
    parts: set[int] = field(default_factory=set)


class SmsInbox:
    """Reads what comes in, on the modem's thread.

    Args:
        channel: Name of the channel.
        language: Of the answers.
        clock: Its steady seconds count the answers of an hour.
    """

    def __init__(self, channel: str, language: str, clock: Clock) -> None:
        self._channel = channel
        self._language = language
        self._clock = clock
        self._sent: OrderedDict[int, Sent] = OrderedDict()
        self._answered: dict[str, deque[float]] = {}

    def expect(self, reference: int, sent: Sent) -> None:
        """A part went out; its report will name *reference*."""
        sent.parts.add(reference)
        self._sent.pop(reference, None)
        self._sent[reference] = sent
        while len(self._sent) > REFERENCES:
            self._sent.popitem(last=False)

    def reported(self, report: Report, answers: Answers | None) -> None:
        """The network says what became of a part."""
        sent = self._sent.get(report.reference)
        if sent is None or not same_number(sent.recipient, report.recipient) or answers is None:
            return
        if not (report.delivered or report.failed):
            return  # it still tries
        del self._sent[report.reference]
        sent.parts.discard(report.reference)
        if not sent.notification:
            return
        if report.failed:
            why = f"网络未能送达 the network gave up (status 0x{report.status:02x})"
            answers.undelivered(sent.notification, why)
        elif not sent.parts:
            answers.delivered(sent.notification, "已送达手机 delivered to the phone")

    def heard(
        self,
        message: Incoming,
        recipients: Mapping[str, tuple[str, ...]],
        answers: Answers | None,
    ) -> tuple[str, str] | None:
        """Take a message; return number and text of the answer, None if none is due.

        Raises:
            SQLAlchemyError: It could not be written down; it must be read again.
        """
        known = {
            contact: number
            for contact, numbers in recipients.items()
            for number in numbers
            if same_number(number, message.sender)
        }
        codes = codes_in(message.text)
        if not known or not codes or answers is None:
            log.info("an SMS was no reply", channel=self._channel, sender=masked(message.sender))
            return None
        said, incident = Said.WRONG, 0
        for code in codes[:_MOST_CODES]:
            said, incident = answers.take(self._channel, list(known), code, "sms")
            if said is not Said.WRONG:
                break
        log.info("a reply by SMS", channel=self._channel, contacts=list(known), said=said.value)
        number = next(iter(known.values()))
        if not self._may(number):
            return None
        mark = exercise_mark(self._language) if answers.exercise(incident) else ""
        return number, mark + answer_text(said, incident, self._language)

    def _may(self, number: str) -> bool:
        now_s = self._clock.monotonic_s()
        times = self._answered.setdefault(number, deque(maxlen=ANSWERS))
        if len(times) == ANSWERS and now_s - times[0] < ANSWERS_S:
            return False
        times.append(now_s)
        return True


def same_number(number: str, sender: str) -> bool:
    """Tell whether two spellings are one number: with country, without plus, or national.

    >>> number = "+8613800000000"
    >>> [same_number(number, text) for text in ("8613800000000", "13800000000", "3800000000")]
    [True, True, False]
    """
    ours, theirs = number.lstrip("+"), sender.lstrip("+")
    return ours == theirs or (
        not sender.startswith("+") and len(theirs) >= 11 and ours.endswith(theirs)
    )
