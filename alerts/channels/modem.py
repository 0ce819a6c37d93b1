"""A GSM modem: made ready, asked how it is, given messages, asked for what came in.

One thread owns it. It needs neither name service nor internet: a serial port, a SIM, a mast.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from dataclasses import dataclass

import structlog

from alerts.channels.at_line import AtLine, ModemRefusedError, ModemSilentError
from alerts.channels.base import Outcome, OutcomeKind
from alerts.channels.pdu import Incoming, PduError, Report, Submit, read
from core.clock import Clock
from edge.ports import BytePort

log = structlog.get_logger()

# Wall seconds: a plain question, one that asks the SIM, one that asks the network.
_QUICK_S, _SIM_S, _NETWORK_S = 2.0, 10.0, 20.0
_TRIES = 3
# At home, roaming; for SMS only; without preference for calls (TS 27.007, +CREG, +CEREG).
_REGISTERED = (1, 5, 6, 7, 9, 10)
# +CME ERROR: no SIM, SIM failure, SIM wrong, PUK needed; +CMS ERROR of the same meaning.
_SIM_GONE = ("10", "13", "15", "310", "313", "315", "SIM not inserted", "SIM failure")
# Codes of a refused message (TS 27.005, 3.2.5; TS 24.011, annex E-2).
_NUMBER_WRONG = ("1", "28", "8", "10", "29", "30", "96")
_NOT_ALLOWED = ("50", "69", "311", "316", "317", "318", "330", *_SIM_GONE)
_FATE_UNKNOWN = ("332",)  # the network did not answer in time


class ModemError(RuntimeError):
    """The modem can't be used as it is.

    Attributes:
        outcome: What that means for a message.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Link:
    """How a modem stands: registered with a network, and how well it hears it (dBm, None unknown).

    Attributes:
        registered: At home or roaming.
        signal_dbm: -113 to -51.
    """

    registered: bool
    signal_dbm: int | None


@dataclass(frozen=True, slots=True)
class Stored:
    """Something that came in, and where the modem keeps it (0 if nowhere)."""

    what: Incoming | Report
    index: int = 0


class Modem:
    """One modem on one open port.

    Args:
        port: Open.
        clock: For the limits of waiting.
        pin: Of the SIM; "" if it needs none.
        refused_pins: Pins that a SIM has refused; a wrong one is not tried twice, because the third
            time locks the SIM.
    """

    def __init__(self, port: BytePort, clock: Clock, pin: str, refused_pins: set[str]) -> None:
        self._port = port
        self._line = AtLine(port, clock)
        self._pin = pin
        self._refused_pins = refused_pins
        self._strange: dict[int, str] = {}

    def begin(self) -> list[Stored]:
        """Make it ready; return what it had stored while nobody listened.

        Raises:
            ModemError: SIM or settings must be mended.
            ModemSilentError: It does not answer.
            PortLostError: The port is gone.
        """
        self._line.interrupt()
        for attempt in range(_TRIES):
            try:
                self._line.ask("AT", _QUICK_S)
                break
            except (ModemSilentError, ModemRefusedError):
                if attempt == _TRIES - 1:
                    raise ModemSilentError("AT: no answer") from None
        for command in ("ATE0", "AT+CMEE=1"):  # no echo; errors as numbers
            with contextlib.suppress(ModemRefusedError):
                self._line.ask(command, _QUICK_S)
        self._unlock()
        try:
            self._line.ask("AT+CMGF=0", _SIM_S)
            self._choose_store()
            self._choose_reports()
            return self._unread()
        except ModemRefusedError as error:
            raise ModemError(_refusal(error)) from error

    def reset(self) -> None:
        """Restart the modem's own program; it is gone for a while."""
        with contextlib.suppress(ModemRefusedError, ModemSilentError):
            self._line.ask("AT+CFUN=1,1", _QUICK_S)

    def link(self) -> Link:
        """Ask how well it stands with the network.

        Raises:
            ModemSilentError: It does not answer.
            PortLostError: The port is gone.
        """
        registered, signal = False, None
        for network in ("+CREG", "+CEREG"):  # circuit-switched, then LTE
            with contextlib.suppress(ModemRefusedError):
                state = _numbers(self._line.ask(f"AT{network}?", _QUICK_S), f"{network}:")
                registered = registered or (len(state) > 1 and state[1] in _REGISTERED)
        with contextlib.suppress(ModemRefusedError):
            heard = _numbers(self._line.ask("AT+CSQ", _QUICK_S), "+CSQ:")
            if heard and heard[0] <= 31:
                signal = 2 * heard[0] - 113
        return Link(registered, signal)

    def send(self, submit: Submit, timeout_s: float) -> int:
        """Send one part; return the reference of its delivery report.

        Raises:
            ModemError: It was refused, or its fate is unknown (the outcome says which).
            ModemSilentError: The modem hangs; the message did not leave.
            PortLostError: The port is gone.
        """
        command = f"AT+CMGS={submit.length}"
        try:
            lines = self._line.ask(command, timeout_s, body=submit.text)
        except ModemRefusedError as error:
            raise ModemError(_refusal(error)) from error
        except ModemSilentError as error:
            if "no prompt" in str(error):
                raise
            detail = "the modem fell silent; it may have gone out"
            raise ModemError(
                Outcome(OutcomeKind.UNKNOWN, vendor_code="silent", detail=detail)
            ) from error
        found = _numbers(lines, "+CMGS:")
        return found[0] if found else 0

    def listen(self, wait_s: float) -> list[Stored]:
        """Return what came in, waiting at most so long for the first of it.

        Raises:
            ModemSilentError: It does not answer.
            PortLostError: The port is gone.
        """
        self._line.listen(wait_s)
        found: list[Stored] = []
        while self._line.unasked:
            said = self._line.unasked.popleft()
            if said.startswith("+CDS:"):
                found += self._read(said.removeprefix("+CDS:"), 0)
                continue
            index = re.search(r",\s*(\d+)", said)
            if index is not None:
                found += self._fetch(int(index.group(1)))
        return found

    def stored(self) -> list[Stored]:
        """Return what is stored; nothing if the modem does not say.

        Raises:
            ModemSilentError: It does not answer.
            PortLostError: The port is gone.
        """
        try:
            return self._unread()
        except ModemRefusedError:
            return []

    def forget(self, index: int) -> None:
        """Delete what was stored: a full store takes no message."""
        if index:
            with contextlib.suppress(ModemRefusedError):
                self._line.ask(f"AT+CMGD={index}", _SIM_S)

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def _unlock(self) -> None:
        state = self._sim()
        if state == "SIM PIN":
            self._enter_pin()
            state = self._sim()
        if state != "READY":
            raise ModemError(_mend(f"the SIM asks for {state}"))

    def _sim(self) -> str:
        try:
            lines = self._line.ask("AT+CPIN?", _SIM_S)
        except ModemRefusedError as error:
            if error.code in _SIM_GONE:
                raise ModemError(_mend("there is no usable SIM")) from error
            raise ModemError(
                Outcome(OutcomeKind.RETRY, vendor_code="sim", detail="the SIM is not ready yet")
            ) from error
        found = [line.removeprefix("+CPIN:").strip() for line in lines if line.startswith("+CPIN:")]
        return found[0] if found else "nothing known"

    def _enter_pin(self) -> None:
        if not self._pin:
            raise ModemError(_mend("the SIM asks for its PIN: write it into secret_file"))
        if self._pin in self._refused_pins or self._tries_left() < _TRIES:
            raise ModemError(_mend("the PIN was refused before; a third time locks the SIM"))
        try:
            self._line.ask(f'AT+CPIN="{self._pin}"', _SIM_S)
        except ModemRefusedError as error:
            self._refused_pins.add(self._pin)
            raise ModemError(_mend("the SIM refuses the PIN")) from error

    def _tries_left(self) -> int:
        """Ask how often the PIN may be wrong; three where the modem does not say."""
        with contextlib.suppress(ModemRefusedError):
            for line in self._line.ask("AT+CPINR", _SIM_S):
                found = re.match(r"\+CPINR: *SIM PIN, *(\d+)", line)
                if found:
                    return int(found.group(1))
        return _TRIES

    def _choose_store(self) -> None:
        """Read and receive in one memory: else a message is announced where it is not read."""
        for store in ("SM", "ME"):  # the SIM; the modem
            with contextlib.suppress(ModemRefusedError):
                self._line.ask(f'AT+CPMS="{store}","{store}","{store}"', _SIM_S)
                return

    def _choose_reports(self) -> None:
        """Messages are stored and announced; reports come at once, or are stored, too."""
        try:
            self._line.ask("AT+CNMI=2,1,0,1,0", _QUICK_S)
        except ModemRefusedError:
            self._line.ask("AT+CNMI=2,1,0,2,0", _QUICK_S)

    def _unread(self) -> list[Stored]:
        lines = self._line.ask("AT+CMGL=4", _NETWORK_S)
        found: list[Stored] = []
        for head, body in itertools.pairwise(lines):
            index = re.match(r"\+CMGL: *(\d+)", head)
            if index is not None:
                found += self._read(body, int(index.group(1)))
        return found

    def _fetch(self, index: int) -> list[Stored]:
        try:
            lines = self._line.ask(f"AT+CMGR={index}", _SIM_S)
        except ModemRefusedError:
            return []
        return self._read(lines[1], index) if len(lines) > 1 else []

    def _read(self, text: str, index: int) -> list[Stored]:
        try:
            return [Stored(read(text), index)]
        except PduError as error:
            log.warning("the modem handed over what is no message", error=str(error)[:100])
        if self._strange.get(index) == text:
            # The same a second time, so it was no noise; kept, such things would fill the store.
            self.forget(index)
        self._strange[index] = text
        return []


def _numbers(lines: list[str], start: str) -> list[int]:
    for line in lines:
        if line.startswith(start):
            return [int(text) for text in re.findall(r"\d+", line.removeprefix(start))]
    return []


def _mend(detail: str) -> Outcome:
    return Outcome(OutcomeKind.MISCONFIGURED, vendor_code="sim", detail=detail)


def _refusal(error: ModemRefusedError) -> Outcome:
    kind = OutcomeKind.RETRY
    if error.code in _NUMBER_WRONG:
        kind = OutcomeKind.PERMANENT
    elif error.code in _NOT_ALLOWED:
        kind = OutcomeKind.MISCONFIGURED
    elif error.code in _FATE_UNKNOWN:
        kind = OutcomeKind.UNKNOWN
    return Outcome(kind, vendor_code=error.code or "ERROR", detail=f"the modem refuses: {error}")
