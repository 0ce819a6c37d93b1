"""A GSM modem, its SIM and a little network on a pseudo-terminal, for demos and tests.

It answers as 3GPP TS 27.005 and 27.007 say: echo, prompt, `+CMS ERROR`, stored messages announced
by +CMTI, delivery reports by +CDS or +CDSI, a SIM with a PIN, a restart that forgets all settings.

`python -m safety_eye.virtual_modem /tmp/modem` shows what phones get, and sends what is typed:
`+8613800000000 4821`.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.simulator.terminal import Terminal
from safety_eye.virtual_network import PartOfSms, deliver, read_submit, report

_STEP_S = 0.01
DELIVERED, NO_RESPONSE, UNKNOWN_NUMBER = 0x00, 0x41, 0x49


@dataclass
class Behaviour:
    """How modem, SIM and network are; may be changed at any time.

    Attributes:
        pin: The SIM's; "" if it has none.
        sim: False without a SIM.
        registered: As +CREG tells it: 1 home, 5 roaming, 6 for SMS only, 2 searching, 3 denied.
        lte: As +CEREG tells it; None for a modem that does not know LTE.
        signal: As +CSQ tells it, 0 to 31, 99 unknown.
        hangs: It answers nothing any more.
        hangs_at: It falls silent at a command that begins so (`AT+CMGS`), or after a PDU (`PDU`).
        refuses: Code of the error by the beginning of a command.
        cms_error: Code with which each message is refused; "" sends it.
        fates: TP-ST of the report by number.
        stores_reports: Reports are stored and announced (+CDSI), not handed over.
        reports: The network sends reports.
        announces: False loses the line that says that a message came in.
    """

    pin: str = ""
    sim: bool = True
    registered: int = 1
    lte: int | None = None
    signal: int = 20
    hangs: bool = False
    hangs_at: str = ""
    refuses: dict[str, str] = field(default_factory=dict)
    cms_error: str = ""
    fates: dict[str, int] = field(default_factory=dict)
    stores_reports: bool = False
    reports: bool = True
    announces: bool = True


class VirtualModem:
    """Runs until `close`.

    Args:
        link: Symlink by which the hub finds it.
        heard: Called with each part that the network takes.
    """

    def __init__(self, link: Path, heard: Callable[[PartOfSms], None] | None = None) -> None:
        self.behaviour = Behaviour()
        self.parts: list[PartOfSms] = []
        self.commands: list[str] = []
        self.pin_tries = 3
        self.stored: dict[int, str] = {}
        self._heard = heard
        self._terminal = Terminal(link)
        self._coming: list[tuple[str, str]] = []
        self._reference = 0
        self._lock = threading.Lock()
        self._restart()
        self._stop = threading.Event()
        self._terminal.plug()
        self._thread = threading.Thread(target=self._run, name="virtual-modem", daemon=True)
        self._thread.start()

    def receive(self, sender: str, text: str) -> None:
        """An SMS comes in from a phone."""
        with self._lock:
            self._coming.append((sender, text))

    def texts(self, number: str) -> list[str]:
        """Return the whole messages that a phone shows."""
        found: dict[tuple[int, int], str] = {}
        for index, part in enumerate(self.parts):
            if part.number == number:
                key = (part.group, 0) if part.parts > 1 else (0, index)
                found[key] = found.get(key, "") + part.text
        return list(found.values())

    def pull(self) -> None:
        """Unplug it."""
        with self._lock:
            self._terminal.pull()

    def plug(self) -> None:
        """Plug it in again; it starts anew."""
        with self._lock:
            self._restart()
            self._terminal.plug()

    def close(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(5)
        self._terminal.pull()

    def _restart(self) -> None:
        self._buffer, self._prompt = "", 0
        self._echo, self._numbers, self._announce, self._report_mode = True, False, False, 0
        self._unlocked = False
        self._reads_from, self._keeps_in = "SM", "ME"  # as some modems start
        self.behaviour.hangs = False

    def _run(self) -> None:
        while not self._stop.wait(_STEP_S):
            with self._lock:
                if not self._terminal.listening():
                    continue
                data = self._terminal.read().decode("ascii", errors="replace")
                if self.behaviour.hangs:
                    continue
                self._take(data)
                if self._ready:
                    while self._coming:
                        self._deliver(*self._coming.pop(0))

    @property
    def _ready(self) -> bool:
        return self.behaviour.sim and (self._unlocked or not self.behaviour.pin)

    def _take(self, data: str) -> None:
        for sign in data:
            if sign == "\x1b":
                self._prompt, self._buffer = 0, ""
            elif self._prompt:
                if sign == "\x1a":
                    pdu, self._buffer, length = self._buffer, "", self._prompt
                    self._prompt = 0
                    self._submit(pdu, length)
                else:
                    self._buffer += sign
            elif sign == "\r":
                command, self._buffer = self._buffer.strip(), ""
                if command:
                    self._obey(command)
            elif sign != "\n":
                self._buffer += sign

    def _say(self, *lines: str) -> None:
        self._terminal.write("".join(f"\r\n{line}\r\n" for line in lines).encode())

    def _fail(self, kind: str, code: str) -> None:
        self._say(f"+{kind} ERROR: {code}" if self._numbers or kind == "CMS" else "ERROR")

    def _obey(self, command: str) -> None:
        self.commands.append(command)
        behaviour = self.behaviour
        if behaviour.hangs_at and command.startswith(behaviour.hangs_at):
            behaviour.hangs = True
            return
        if self._echo:
            self._terminal.write(f"{command}\r".encode())
        for start, code in behaviour.refuses.items():
            if command.startswith(start):
                self._fail("CME", code)
                return
        if command.startswith("AT+CPIN"):
            self._pin(command)
        elif not self._plain(command):
            if not behaviour.sim:
                self._fail("CME", "10")
            elif not self._ready:
                self._fail("CME", "11")
            else:
                self._messages(command)

    def _plain(self, command: str) -> bool:
        """Carry out what needs no SIM; False if it is none of that."""
        name, _, value = command.partition("=")
        if name == "AT+CFUN" and value == "1,1":
            self._say("OK")
            self._restart()
            return True
        if command == "AT+CREG?":
            self._say(f"+CREG: 0,{self.behaviour.registered}")
        elif command == "AT+CEREG?" and self.behaviour.lte is not None:
            self._say(f"+CEREG: 0,{self.behaviour.lte}")
        elif command == "AT+CSQ":
            self._say(f"+CSQ: {self.behaviour.signal},99")
        elif command in ("ATE0", "ATE1"):
            self._echo = command == "ATE1"
        elif name == "AT+CMEE":
            self._numbers = value != "0"
        elif command != "AT":
            return False
        self._say("OK")
        return True

    def _pin(self, command: str) -> None:
        if not self.behaviour.sim:
            self._fail("CME", "10")
        elif command == "AT+CPINR":
            self._say(f"+CPINR: SIM PIN, {self.pin_tries}", "OK")
        elif command == "AT+CPIN?":
            locked = "SIM PUK" if not self.pin_tries else "SIM PIN"
            self._say(f"+CPIN: {'READY' if self._ready else locked}", "OK")
        elif command == f'AT+CPIN="{self.behaviour.pin}"' and self.pin_tries:
            self._unlocked, self.pin_tries = True, 3
            self._say("OK")
        else:
            self.pin_tries = max(self.pin_tries - 1, 0)
            self._fail("CME", "16")

    def _messages(self, command: str) -> None:
        name, _, value = command.partition("=")
        if name == "AT+CMGF":
            self._say("OK" if value == "0" else "ERROR")
        elif name == "AT+CNMI":
            self._notify(value)
        elif name == "AT+CPMS":
            self._reads_from, _, self._keeps_in = value.replace('"', "").split(",")
            self._say("+CPMS: 0,20,0,20,0,20", "OK")
        elif name == "AT+CMGS":
            self._prompt = int(value)
            self._terminal.write(b"\r\n> ")
        else:
            self._memory(name, value)

    def _memory(self, name: str, value: str) -> None:
        """Read and delete what is stored, in the memory that was chosen for reading."""
        found = self.stored if self._reads_from == self._keeps_in else {}
        if name == "AT+CMGL":
            for index, pdu in found.items():
                self._say(f"+CMGL: {index},1,,{len(pdu) // 2 - 1}\r\n{pdu}")
            self._say("OK")
        elif name not in ("AT+CMGR", "AT+CMGD"):
            self._say("ERROR")
        elif int(value) not in found:
            self._fail("CMS", "321")  # nothing there
        elif name == "AT+CMGR":
            pdu = found[int(value)]
            self._say(f"+CMGR: 1,,{len(pdu) // 2 - 1}\r\n{pdu}", "OK")
        else:
            del self.stored[int(value)]
            self._say("OK")

    def _notify(self, value: str) -> None:
        mode = int(value.split(",")[3])
        if mode == 1 and self.behaviour.stores_reports:
            self._fail("CMS", "303")  # this modem only stores reports
            return
        self._announce, self._report_mode = value.split(",")[1] == "1", mode
        self._say("OK")

    def _submit(self, pdu: str, length: int) -> None:
        if self.behaviour.hangs_at == "PDU":
            self.behaviour.hangs = True
            self.parts.append(read_submit(pdu, length))
            return
        if not {self.behaviour.registered, self.behaviour.lte} & {1, 5, 6, 7}:
            self._fail("CMS", "331")
            return
        if self.behaviour.cms_error:
            self._fail("CMS", self.behaviour.cms_error)
            return
        try:
            part = read_submit(pdu, length)
        except (ValueError, IndexError):
            self._fail("CMS", "304")  # invalid PDU mode parameter
            return
        self._reference = (self._reference + 1) % 256
        self.parts.append(part)  # before the answer: whoever has it may look at once
        self._say(f"+CMGS: {self._reference}", "OK")
        if self._heard is not None:
            self._heard(part)
        if part.report and self.behaviour.reports:
            self._report(part, self._reference)

    def _report(self, part: PartOfSms, reference: int) -> None:
        status = self.behaviour.fates.get(part.number, DELIVERED)
        pdu = report(reference, part.number, status)
        if self._report_mode == 1:
            self._say(f"+CDS: {len(pdu) // 2 - 1}\r\n{pdu}")
        elif self._report_mode == 2:
            self._say(f'+CDSI: "{self._keeps_in}",{self._store(pdu)}')

    def _deliver(self, sender: str, text: str) -> None:
        index = self._store(deliver(sender, text))
        if self._announce and self.behaviour.announces:
            self._say(f'+CMTI: "{self._keeps_in}",{index}')

    def _store(self, pdu: str) -> int:
        index = next(number for number in range(1, 255) if number not in self.stored)
        self.stored[index] = pdu
        return index


def main(arguments: list[str]) -> int:
    """Run one until the input ends; return the exit code."""
    if len(arguments) != 1:
        print("usage: python -m safety_eye.virtual_modem LINK", file=sys.stderr)
        return 2
    modem = VirtualModem(
        Path(arguments[0]), lambda part: print(f"{part.number}: {part.text}", flush=True)
    )
    with contextlib.suppress(KeyboardInterrupt):
        for line in sys.stdin:
            number, _, text = line.strip().partition(" ")
            if text:
                modem.receive(number, text)
    modem.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
