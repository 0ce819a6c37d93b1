"""The modem: what phones get, what they answer, what becomes of a sick modem."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from alerts.channels import open_channels
from alerts.channels.base import Channel, Outcome, OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError
from alerts.channels.gsm import Gsm
from alerts.channels.pdu import is_gsm, room, units
from alerts.channels.sms_text import sms_text
from alerts.incident import Kind
from alerts.message import Notification
from alerts.reply_code import Said
from core.community import Contact, Name
from core.grade import Grade
from safety_eye.virtual_modem import NO_RESPONSE, UNKNOWN_NUMBER, Behaviour, VirtualModem
from tests.alerts.samples import note
from tests.servers import wait_until

LI, WANG, STRANGER = "+8613800000000", "+8613900000001", "+8613700000009"


@dataclass
class Heard:
    """What the service would make of what the channel hears."""

    codes: dict[str, str] = field(default_factory=dict)
    drills: set[int] = field(default_factory=set)
    taken: list[tuple[str, ...]] = field(default_factory=list)
    arrived: list[str] = field(default_factory=list)
    lost: list[tuple[str, str]] = field(default_factory=list)
    states: list[Outcome] = field(default_factory=list)
    busy: int = 0

    def code(self, note: Notification, channel: str, *, digits: int = 4) -> str:
        assert (channel, digits) == ("sms", 4)
        return self.codes.setdefault(note.id, f"482{len(self.codes)}")

    def take(
        self, channel: str, contacts: Collection[str], code: str, how: str
    ) -> tuple[Said, int]:
        if self.busy:
            self.busy -= 1
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        if code not in self.codes.values():
            return Said.WRONG, 0
        self.taken.append((channel, *sorted(contacts), code, how))
        return Said.TAKEN, 12

    def exercise(self, incident: int) -> bool:
        return incident in self.drills

    def delivered(self, notification: str, detail: str) -> None:
        assert detail
        self.arrived.append(notification)

    def undelivered(self, notification: str, detail: str) -> None:
        self.lost.append((notification, detail))

    def health(self, channel: str, outcome: Outcome) -> None:
        assert channel == "sms"
        self.states.append(outcome)


@pytest.fixture
def modem(tmp_path: Path) -> Iterator[VirtualModem]:
    made = VirtualModem(tmp_path / "modem")
    yield made
    made.close()


@pytest.fixture
def heard() -> Heard:
    return Heard()


Made = Callable[..., Gsm]


@pytest.fixture
def gsm(tmp_path: Path, modem: VirtualModem, heard: Heard) -> Iterator[Made]:
    assert modem.behaviour == Behaviour()  # it exists before anything opens it
    channels: list[Channel] = []

    def make(*, pin: str = "", wait: bool = True, **options: Any) -> Gsm:
        (tmp_path / "pin").write_text(pin)
        entry = ChannelEntry(
            name="sms", kind="gsm", secret_file=str(tmp_path / "pin") if pin else "",
            options={"port": str(tmp_path / "modem"), **options},
        )  # fmt: skip
        contacts = [
            Contact("duty-1", "Li", "duty", (f"sms:{LI}",)),
            Contact("duty-2", "Wang", "duty", (f"sms:{WANG}",)),
        ]
        channel = open_channels([entry], contacts)["sms"]
        assert isinstance(channel, Gsm)
        channels.append(channel)
        channel.start(heard)
        if wait:
            wait_until(lambda: channel.ready, what="the modem")
        return channel

    yield make
    for channel in channels:
        channel.close()


def test_a_phone_gets_the_warning_and_the_code_in_one_message(
    gsm: Made, modem: VirtualModem
) -> None:
    outcome = gsm().send(note(), 0)

    [text] = modem.texts(LI)
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert text.startswith("【红色I级】下穿通道水位0.28m")
    assert text.endswith("回复4820接手")
    assert {part.validity_s for part in modem.parts} == {1800}


def test_plain_english_travels_in_seven_bits(gsm: Made, modem: VirtualModem) -> None:
    gsm().send(note(language="en", url=""), 0)

    [part] = modem.parts
    assert not part.ucs2
    assert part.text.endswith("Reply 4820 to take over")


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("length", [5, 60, 140, 400])
def test_the_longest_text_fits_and_keeps_grade_and_code(
    parts: int, language: str, length: int
) -> None:
    long = Name(zh="水" * length, en="water… " * length)

    text = sms_text(note(headline=long, place=long), "4821", language, parts)

    assert units(text) <= room(text, parts)
    assert "4821" in text
    assert ("红色" if language == "zh" else "red") in text
    assert language == "zh" or is_gsm(text)


def test_a_reply_with_the_code_takes_over_and_is_answered(
    gsm: Made, modem: VirtualModem, heard: Heard
) -> None:
    gsm().send(note(), 0)

    modem.receive(LI, "收到，４８２０")

    wait_until(lambda: len(modem.texts(LI)) == 2, what="the answer")
    assert heard.taken == [("sms", "duty-1", "4820", "sms")]
    assert modem.texts(LI)[1].startswith("已接手 #12")
    wait_until(lambda: not modem.stored, what="an empty store")


def test_the_answer_to_a_reply_in_a_drill_says_that_it_is_one(
    gsm: Made, modem: VirtualModem, heard: Heard
) -> None:
    heard.drills.add(12)
    gsm().send(note(exercise=True), 0)

    modem.receive(LI, "4820")

    wait_until(lambda: len(modem.texts(LI)) == 2, what="the answer")
    assert modem.texts(LI)[1].startswith("【演练】已接手 #12")


def test_a_code_from_another_number_is_not_even_looked_at(
    gsm: Made, modem: VirtualModem, heard: Heard
) -> None:
    gsm().send(note(), 0)

    modem.receive(STRANGER, "4820")
    modem.receive(LI, "no digits here")
    modem.receive(LI, "4820")

    wait_until(lambda: heard.taken, what="the right reply")
    assert heard.taken == [("sms", "duty-1", "4820", "sms")]
    assert modem.texts(STRANGER) == []


@pytest.mark.parametrize("sender", ["8613800000000", "13800000000"])
def test_a_network_that_leaves_out_the_country_is_understood(
    sender: str, gsm: Made, modem: VirtualModem, heard: Heard
) -> None:
    gsm().send(note(), 0)

    modem.receive(sender, "4820")

    wait_until(lambda: heard.taken, what="the takeover")


def test_replies_that_came_while_nobody_listened_are_read_at_the_start(
    gsm: Made, modem: VirtualModem, heard: Heard
) -> None:
    heard.codes["earlier"] = "7777"
    modem.receive(LI, "7777")
    wait_until(lambda: True)

    gsm()

    wait_until(lambda: heard.taken, what="the takeover")
    wait_until(lambda: not modem.stored, what="an empty store")


def test_a_reply_whose_announcement_was_lost_is_found(
    gsm: Made, modem: VirtualModem, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.channels.gsm.CHECK_S", 0.2)
    gsm().send(note(), 0)
    modem.behaviour = Behaviour(announces=False)

    modem.receive(LI, "48 20")

    wait_until(lambda: heard.taken, what="the takeover")
    wait_until(lambda: not modem.stored)


def test_a_reply_that_could_not_be_written_down_is_read_again_soon(
    gsm: Made, modem: VirtualModem, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.channels.gsm.CHECK_S", 0.2)
    gsm().send(note(), 0)
    heard.busy = 2

    modem.receive(LI, "4820")

    wait_until(lambda: heard.taken, what="the takeover")
    assert heard.busy == 0


def test_what_is_no_message_does_not_fill_the_store(
    gsm: Made, modem: VirtualModem, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SIM holds some 20 messages: full, it takes no reply."""
    monkeypatch.setattr("alerts.channels.gsm.CHECK_S", 0.2)
    modem._store("00FFFF")
    gsm().send(note(), 0)
    modem.receive(LI, "4820")

    wait_until(lambda: heard.taken, what="the takeover")
    wait_until(lambda: not modem.stored, what="an empty store")


def test_a_wrong_code_is_answered_but_nobody_runs_up_the_bill(
    gsm: Made, modem: VirtualModem, heard: Heard
) -> None:
    gsm()
    for _ in range(12):
        modem.receive(LI, "0000")

    wait_until(lambda: not modem.stored and not modem._coming and len(modem.texts(LI)) >= 6)
    modem.receive(LI, "0000")
    wait_until(lambda: not modem.stored and not modem._coming)

    assert len(modem.texts(LI)) == 6
    assert heard.taken == []


@pytest.mark.parametrize("stores", [False, True])
def test_a_delivery_report_says_that_every_part_arrived(
    stores: bool, gsm: Made, modem: VirtualModem, heard: Heard
) -> None:
    modem.behaviour = Behaviour(stores_reports=stores)

    gsm().send(note(headline=Name(zh="水" * 90)), 0)

    wait_until(lambda: heard.arrived, what="the report")
    assert len(modem.parts) == 2
    assert heard.arrived == [note().id]
    wait_until(lambda: not modem.stored)


@pytest.mark.parametrize("status", [NO_RESPONSE, UNKNOWN_NUMBER])
def test_a_message_that_did_not_arrive_is_told_so_that_the_next_way_is_taken(
    status: int, gsm: Made, modem: VirtualModem, heard: Heard
) -> None:
    modem.behaviour = Behaviour(fates={LI: status})

    assert gsm().send(note(), 0).kind is OutcomeKind.ACCEPTED

    wait_until(lambda: heard.lost, what="the report")
    assert heard.lost[0][0] == note().id
    assert heard.arrived == []


REFUSALS = [
    ("1", OutcomeKind.PERMANENT), ("28", OutcomeKind.PERMANENT), ("38", OutcomeKind.RETRY),
    ("42", OutcomeKind.RETRY), ("330", OutcomeKind.MISCONFIGURED), ("332", OutcomeKind.UNKNOWN),
    ("500", OutcomeKind.RETRY), ("50", OutcomeKind.MISCONFIGURED),
]  # fmt: skip


@pytest.mark.parametrize(("code", "wanted"), REFUSALS)
def test_each_refusal_of_the_network_means_what_it_means(
    code: str, wanted: OutcomeKind, gsm: Made, modem: VirtualModem
) -> None:
    channel = gsm()
    modem.behaviour.cms_error = code

    outcome = channel.send(note(), 0)

    assert (outcome.kind, outcome.vendor_code) == (wanted, code)


def test_a_pin_opens_the_sim(gsm: Made, modem: VirtualModem) -> None:
    modem.behaviour = Behaviour(pin="2580")

    gsm(pin="2580").send(note(), 0)

    assert len(modem.texts(LI)) == 1


def test_a_wrong_pin_never_locks_the_sim(gsm: Made, modem: VirtualModem, heard: Heard) -> None:
    modem.behaviour = Behaviour(pin="2580")

    channel = gsm(pin="1111", wait=False)

    wait_until(lambda: modem.commands.count("AT+CPIN?") >= 3, what="three attempts")
    assert modem.pin_tries == 2
    assert channel.send(note(), 0).kind is OutcomeKind.MISCONFIGURED
    assert heard.states[-1].kind is OutcomeKind.MISCONFIGURED
    assert "1111" not in str(heard.states)


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        (Behaviour(sim=False), OutcomeKind.MISCONFIGURED, "no usable SIM"),
        (Behaviour(pin="2580"), OutcomeKind.MISCONFIGURED, "PIN"),
        (Behaviour(registered=2, signal=99), OutcomeKind.RETRY, "no signal"),
        (Behaviour(registered=3, signal=4), OutcomeKind.RETRY, "-105 dBm"),
        (Behaviour(hangs=True), OutcomeKind.RETRY, "no answer"),
    ],
)
def test_a_modem_that_can_not_send_says_why_at_once(
    behaviour: Behaviour,
    kind: OutcomeKind,
    words: str,
    gsm: Made,
    modem: VirtualModem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("alerts.channels.modem._QUICK_S", 0.5)
    modem.behaviour = behaviour
    channel = gsm(wait=False)

    wait_until(lambda: words in channel.send(note(), 0).detail, what=words)

    assert channel.send(note(), 0).kind is kind
    assert modem.parts == []


@pytest.mark.parametrize(
    "behaviour", [Behaviour(registered=6), Behaviour(registered=5), Behaviour(registered=0, lte=1)]
)
def test_a_network_for_sms_alone_is_a_network(
    behaviour: Behaviour, gsm: Made, modem: VirtualModem
) -> None:
    modem.behaviour = behaviour

    assert gsm().send(note(), 0).kind is OutcomeKind.ACCEPTED


def test_no_modem_at_all_is_a_retry_that_names_the_port(gsm: Made, modem: VirtualModem) -> None:
    modem.pull()
    channel = gsm(wait=False)

    wait_until(lambda: "can't be opened" in channel.send(note(), 0).detail)

    assert channel.send(note(), 0).kind is OutcomeKind.RETRY


def test_a_modem_that_is_unplugged_and_plugged_in_again_sends_again(
    gsm: Made, modem: VirtualModem
) -> None:
    channel = gsm()
    modem.pull()
    wait_until(lambda: not channel.ready, what="the loss")

    modem.plug()

    wait_until(lambda: channel.ready, what="the return")
    assert channel.send(note(), 0).kind is OutcomeKind.ACCEPTED


def test_a_modem_that_hangs_before_the_text_is_a_retry_and_is_woken(
    gsm: Made, modem: VirtualModem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.channels.at_line._PROMPT_S", 1.0)
    channel = gsm()
    modem.behaviour.hangs_at = "AT+CMGS"

    outcome = channel.send(note(), 0)

    assert outcome.kind is OutcomeKind.RETRY
    modem.behaviour = Behaviour()
    wait_until(lambda: channel.ready, what="the return")
    assert channel.send(note(), 0).kind is OutcomeKind.ACCEPTED


def test_a_modem_that_hangs_with_the_text_leaves_its_fate_unknown(
    gsm: Made, modem: VirtualModem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.channels.gsm.PART_S", 1.0)
    channel = gsm()
    modem.behaviour.hangs_at = "PDU"

    assert channel.send(note(), 0).kind is OutcomeKind.UNKNOWN


def test_a_modem_left_in_a_prompt_by_a_killed_hub_is_freed(gsm: Made, modem: VirtualModem) -> None:
    modem._prompt = 40

    assert gsm().send(note(), 0).kind is OutcomeKind.ACCEPTED


def test_whatever_the_modem_does_each_message_has_a_fate_and_none_is_accepted_unsent(
    gsm: Made, modem: VirtualModem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("at_line._PROMPT_S", "modem._QUICK_S", "gsm.PART_S"):
        monkeypatch.setattr(f"alerts.channels.{name}", 0.4)
    dice = random.Random(20251130)
    channel = gsm()
    accepted = []
    for index in range(12):
        trouble = dice.choice(["", "", "AT+CMGS", "PDU", "pull", "42"])
        wait_until(lambda: channel.ready, 30, "the modem")
        modem.behaviour.hangs_at = trouble if trouble in ("AT+CMGS", "PDU") else ""
        modem.behaviour.cms_error = trouble if trouble == "42" else ""
        if trouble == "pull":
            modem.pull()
        text = Name(zh=f"第{index:02d}条")
        outcome = channel.send(note(headline=text, id=f"n{index}"), 0)
        assert outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.RETRY, OutcomeKind.UNKNOWN)
        if outcome.kind is OutcomeKind.ACCEPTED:
            accepted.append(text.zh)
        modem.behaviour = Behaviour()
        if trouble == "pull":
            modem.plug()

    shown = "".join(modem.texts(LI))
    assert accepted
    assert all(text in shown for text in accepted)


def test_a_clear_asks_for_no_takeover() -> None:
    assert "回复" not in sms_text(note(kind=Kind.CLEAR), "", "zh", 2)


def test_a_low_grade_is_not_pushed_for_half_a_day(gsm: Made, modem: VirtualModem) -> None:
    gsm().send(note(Grade.BLUE), 0)

    assert modem.parts[0].validity_s == 21_600


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parts": 9}, "options.parts"),
        ({"colour": 1}, "colour"),
        ({"port": 7}, "port"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_name_and_what_to_mend(
    options: dict[str, object], words: str
) -> None:
    entry = ChannelEntry(name="sms", kind="gsm", options={"port": "/dev/null", **options})

    with pytest.raises(ChannelError, match=r"channel 'sms'") as caught:
        open_channels([entry])

    assert words in str(caught.value)
