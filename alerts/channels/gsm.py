"""SMS through a GSM modem on the hub's own serial port: the path that works without the internet.

People answer with the code of the message and have taken over; the network says whether a message
arrived. One thread owns the modem: it sends, listens, and begins again when the modem hangs.
"""

from __future__ import annotations

import queue
import secrets
import threading
from dataclasses import dataclass, field, replace

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from alerts.channels.at_line import ModemSilentError
from alerts.channels.base import (
    Answers,
    Channel,
    Fate,
    Outcome,
    OutcomeKind,
    is_number,
    masked,
    together,
)
from alerts.channels.entry import ChannelEntry, ChannelError, read_options, read_secret
from alerts.channels.modem import Modem, ModemError, Stored
from alerts.channels.pdu import Report, submits
from alerts.channels.sms_inbox import Sent, SmsInbox
from alerts.channels.sms_text import sms_text
from alerts.message import Notification
from alerts.routing import MAX_AGE_MS
from alerts.store import StaleError
from core.clock import Clock, RunClock
from edge.configuration import PortEntry
from edge.ports import Backoff, PortLostError, open_serial

log = structlog.get_logger()

# Wall seconds: one look at what came in, the network's word on one part, the whole of a message.
LISTEN_S, PART_S, WHOLE_S = 0.2, 15.0, 35.0
# How often the modem is asked how it stands, and how long it may be without a network.
CHECK_S, LOST_S = 30.0, 120.0
# A modem that can't send for so long is a fault of the system, and told as one; wall seconds.
TROUBLE_S = 60.0
# Attempts to wake a silent modem until its program is restarted.
RESET_EVERY = 3
_WAITING = 20


class GsmOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`options` of kind `gsm`. `secret_file` holds the PIN of the SIM, if it has one.

    Attributes:
        port: Device file with a stable name, `/dev/serial/by-id/…`.
        baud: Bits per second.
        parts: SMS that one message may take, 1 to 3; a long text is cut.
        reports: Ask the network for delivery reports.
    """

    port: str
    baud: int = 115_200
    parts: int = 2
    reports: bool = True


_NOT_SENT = Outcome(OutcomeKind.RETRY, vendor_code="modem", detail="not sent in time")


@dataclass(slots=True)
class _Job:
    number: str
    text: str
    validity_s: float
    notification: str
    done: threading.Event = field(default_factory=threading.Event)
    # Whoever takes it first decides: the modem's thread sends it, or the waiting one gives it up.
    taken: threading.Lock = field(default_factory=threading.Lock)
    outcome: Outcome = _NOT_SENT


class Gsm(Channel):
    """Sends SMS, takes replies.

    Args:
        entry: Of hub.toml.
        clock: Only its steady seconds are used, to bound every wait.
    """

    concurrency = 1
    example = "+8613800000000"

    def __init__(self, entry: ChannelEntry, clock: Clock | None = None) -> None:
        self.name = entry.name
        self.per_minute = entry.per_minute
        self._options = read_options(entry, GsmOptions)
        if not 1 <= self._options.parts <= 3:
            raise ChannelError(f"options.parts {self._options.parts}: expected 1 to 3")
        self._pin = read_secret(entry) if entry.secret_file or entry.secret_env else ""
        if self._pin and not (self._pin.isdigit() and 4 <= len(self._pin) <= 8):
            raise ChannelError(f"channel {entry.name!r}: its secret is not a PIN of 4 to 8 digits")
        self._language = entry.language
        self._clock = clock or RunClock()
        self._answers: Answers | None = None
        self._jobs: queue.Queue[_Job] = queue.Queue(_WAITING)
        self._inbox = SmsInbox(entry.name, self._language or "zh", self._clock)
        self._refused_pins: set[str] = set()
        self._trouble = Outcome(OutcomeKind.RETRY, vendor_code="modem", detail="not ready yet")
        self._ready = False
        self.figures = {"registered": 0.0}
        # Not the same one after every start: a phone would join parts of two messages.
        self._reference = secrets.randbelow(256)
        self._registered_s = self._checked_s = 0.0
        self._well_s = self._clock.monotonic_s()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"modem-{self.name}", daemon=True)

    @property
    def ready(self) -> bool:
        """True while the modem is configured and has a network."""
        return self._ready

    def start(self, answers: Answers) -> None:
        """Open the modem and listen; it may come later, or go and come back."""
        self._answers = answers
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the modem is registered."""
        end_s = self._clock.monotonic_s() + timeout_s
        while not self._ready and self._clock.monotonic_s() < end_s:
            if self._stop.wait(LISTEN_S):
                return

    def close(self) -> None:
        """Give the port back."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    def usable(self, address: str) -> bool:
        """Tell whether this is an address that the channel could reach."""
        return is_number(address)

    def send(self, note: Notification, now_s: int) -> Outcome:
        """Send one notification once."""
        del now_s
        numbers = self.addresses(note)
        if not numbers:
            return self.without_recipient(note)
        if not self._ready:
            return self._trouble
        code = self._answers.code(note, self.name) if self._answers else ""
        language = self._language or note.language
        text = sms_text(note, code, language, self._options.parts)
        validity_s = MAX_AGE_MS[note.grade] / 1000
        end_s = self._clock.monotonic_s() + WHOLE_S
        fates = []
        for number in numbers:
            job = _Job(number, text, validity_s, note.id)
            fates.append(Fate(masked(number), self._have_sent(job, end_s)))
        return together(fates)

    def _have_sent(self, job: _Job, end_s: float) -> Outcome:
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return job.outcome
        in_time = job.done.wait(max(end_s - self._clock.monotonic_s(), 0.0))
        if not in_time and not job.taken.acquire(blocking=False):
            return Outcome(OutcomeKind.UNKNOWN, vendor_code="modem", detail="no word in time")
        return job.outcome

    # --- the thread of the modem ---

    def _run(self) -> None:
        backoff = Backoff(first_s=1.0, cap_s=15.0)
        silent = 0
        while not self._stop.is_set():
            modem: Modem | None = None
            try:
                entry = PortEntry("modem", self._options.port, dtr=True, rts=True)
                port = open_serial(entry, self._options.baud)
                modem = Modem(port, self._clock, self._pin, self._refused_pins)
                if silent and silent % RESET_EVERY == 0:
                    modem.reset()
                self._take(modem, modem.begin())
                silent = 0
                backoff.reset()
                self._serve(modem)
            except ModemError as error:
                self._in_trouble(error.outcome)
            except (ModemSilentError, PortLostError) as error:
                silent += 1
                self._in_trouble(
                    Outcome(OutcomeKind.RETRY, vendor_code="modem", detail=str(error)[:200])
                )
            except Exception as error:  # noqa: BLE001  # a fault here must not end the last path out
                log.error("the modem's thread failed; it begins again", error=type(error).__name__)  # noqa: TRY400
                self._in_trouble(Outcome(OutcomeKind.RETRY, vendor_code="modem", detail="failed"))
            finally:
                if modem is not None:
                    modem.close()
            self._stop.wait(backoff.pause_s())

    def _serve(self, modem: Modem) -> None:
        """Send and listen until something fails."""
        self._registered_s = self._clock.monotonic_s()
        self._checked_s = -CHECK_S
        while not self._stop.is_set():
            if self._clock.monotonic_s() - self._checked_s >= (CHECK_S if self._ready else 2.0):
                self._check(modem)
            self._take(modem, modem.listen(LISTEN_S))
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                continue
            if job.taken.acquire(blocking=False):
                self._carry_out(modem, job)

    def _check(self, modem: Modem) -> None:
        self._checked_s = now_s = self._clock.monotonic_s()
        if self._ready:  # what is still stored: it was not announced, or could not be written down
            self._take(modem, modem.stored())
        link = modem.link()
        signal = {} if link.signal_dbm is None else {"signal_dbm": float(link.signal_dbm)}
        self.figures = {"registered": float(link.registered), **signal}
        if link.registered:
            self._registered_s = self._well_s = now_s
            if not self._ready:
                log.info("the modem is ready", channel=self.name, signal_dbm=link.signal_dbm)
                self._tell(Outcome(OutcomeKind.ACCEPTED))
            self._ready = True
            return
        heard = "no signal" if link.signal_dbm is None else f"{link.signal_dbm} dBm"
        self._in_trouble(
            Outcome(OutcomeKind.RETRY, vendor_code="network", detail=f"no network ({heard})")
        )
        if now_s - self._registered_s > LOST_S:
            self._registered_s = now_s
            modem.reset()
            raise ModemSilentError("no network for long; the modem was restarted")

    def _in_trouble(self, outcome: Outcome) -> None:
        if self._ready or outcome.detail != self._trouble.detail:
            log.warning("the modem can't send", channel=self.name, why=outcome.detail)
        self._ready, self._trouble = False, outcome
        self.figures = {**self.figures, "registered": 0.0}
        long = self._clock.monotonic_s() - self._well_s > TROUBLE_S
        if long or outcome.kind is OutcomeKind.MISCONFIGURED:
            self._tell(replace(outcome, kind=OutcomeKind.MISCONFIGURED))
        while True:  # who waits hears it at once and takes the next channel
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            job.outcome = outcome
            job.done.set()

    def _tell(self, outcome: Outcome) -> None:
        if self._answers is not None:
            self._answers.health(self.name, outcome)

    def _carry_out(self, modem: Modem, job: _Job) -> None:
        self._reference = (self._reference + 1) % 256
        parts = submits(
            job.number, job.text, reference=self._reference, validity_s=job.validity_s,
            report=self._options.reports,
        )  # fmt: skip
        sent = Sent(job.notification, job.number)
        # Nobody knows the fate of what a modem took before it went away.
        job.outcome = Outcome(
            OutcomeKind.UNKNOWN, vendor_code="modem", detail="the modem went away"
        )
        try:
            for part in parts:
                reference = modem.send(part, PART_S)
                self._inbox.expect(reference, sent)
            job.outcome = Outcome(
                OutcomeKind.ACCEPTED, vendor_id=f"mr-{reference}", vendor_code="+CMGS"
            )
        except ModemError as error:
            job.outcome = error.outcome
            if error.outcome.vendor_code == "silent":
                self._ready = False
                raise ModemSilentError(error.outcome.detail) from error
        except ModemSilentError as error:
            self._ready = False
            job.outcome = Outcome(OutcomeKind.RETRY, vendor_code="modem", detail=str(error))
            raise
        finally:
            job.done.set()

    def _take(self, modem: Modem, found: list[Stored]) -> None:
        for stored in found:
            if isinstance(stored.what, Report):
                self._inbox.reported(stored.what, self._answers)
            else:
                try:
                    reply = self._inbox.heard(stored.what, self.recipients, self._answers)
                except (SQLAlchemyError, StaleError):
                    continue  # kept in the modem: it is read again soon
                if reply is not None:
                    self._carry_out(modem, _Job(*reply, 1800.0, ""))
            modem.forget(stored.index)
