"""The building's own voice: a signed order, the station's answer, and whether it was heard."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alerts import orders
from alerts.channels import open_channels
from alerts.channels.base import OutcomeKind
from alerts.channels.entry import ChannelEntry, ChannelError
from alerts.channels.sounder import Sounder
from alerts.incident import Kind
from alerts.ladder import DEFAULTS
from alerts.orders import StationOrders
from alerts.routing import announced
from core.act import ActEvent, ActingState, LocalAct, OutputState
from core.broker import Publication
from core.clock import ManualClock
from core.command import Command, CommandError, Verb
from core.community import Community, Contact
from core.grade import Grade
from core.status import Link, StationStatus
from edge.acting.orders import Moment, accept
from tests.alerts.samples import note
from tests.alerts.scenery import place

KEY = "0123456789abcdef0123456789abcdef"
NOW_MS = 1_764_500_003_000


class _Sent(Publication):
    """A publish that the broker took, or did not."""

    def __init__(self, *, taken: bool) -> None:
        super().__init__(None)
        self._taken = taken

    def wait(self, timeout_s: float) -> bool:
        assert timeout_s > 0
        return self._taken


@dataclass
class Station:
    """A station that judges commands with the real station's own code."""

    clock: ManualClock
    outputs: tuple[str, ...] = ("horn", "lamp")
    link: Link = Link.ONLINE
    problem: str = ""
    deaf: bool = False
    reached: bool = True
    key: bytes = KEY.encode()
    commands: list[Command] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    hub: StationOrders | None = None

    def publish(self, topic: str, payload: bytes, life_s: int) -> Publication:
        assert life_s > 0
        if self.reached and not self.deaf:
            moment = Moment(self.clock.now_ms(), True, "boot-1")
            try:
                command, stale = accept(payload, topic, self.key, moment, self.seen)
            except CommandError:
                return _Sent(taken=True)  # not a word is answered
            self.seen.add(command.nonce)
            self.commands.append(command)
            self.say(ActEvent.ANSWER, command, detail=stale or self.problem)
        return _Sent(taken=self.reached)

    def say(self, event: ActEvent, command: Command | None = None, **more: Any) -> None:
        acts: tuple[LocalAct, ...] = ()
        if command is not None:
            acts = (
                LocalAct(
                    id=f"boot-1-{next(self.numbers)}", boot="boot-1", at=NOW_MS, event=event,
                    output=command.output, command=command.nonce, **more,
                ),
            )  # fmt: skip
        assert self.hub is not None
        states = {name: OutputState(on=False) for name in self.outputs}
        status = StationStatus(
            link=self.link, boot="boot-1", at=NOW_MS, acting=ActingState(outputs=states), acts=acts
        )
        self.hub.heard("north-1", status)


@dataclass
class Told:
    """What the service would write of what came back."""

    words: list[tuple[str, str, str]] = field(default_factory=list)

    def delivered(self, notification: str, detail: str) -> None:
        self.words.append(("delivered", notification, detail))

    def undelivered(self, notification: str, detail: str) -> None:
        self.words.append(("undelivered", notification, detail))


class Building:
    """A hub with one sounder channel and one station."""

    def __init__(self, directory: Path) -> None:
        (directory / "north-1.key").write_text(KEY)
        self.clock = ManualClock(NOW_MS)
        self.station = Station(self.clock)
        self.orders = self.station.hub = StationOrders(self.station.publish, "a", self.clock)
        self.told = Told()
        entry = ChannelEntry(
            name="siren", kind="sounder",
            options={"key_directory": str(directory), "seconds": 90.0},
        )  # fmt: skip
        contact = Contact("duty-1", "horn", "sounder", ("siren:north-1/horn",))
        channel = open_channels([entry], [contact])["siren"]
        assert isinstance(channel, Sounder)
        channel.use_stations(self.orders)
        channel.start(self.told)  # type: ignore[arg-type]  # a sounder needs these two words
        self.channel = channel


@pytest.fixture
def building(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Building:
    monkeypatch.setattr(orders, "ANSWER_S", 0.2)
    made = Building(tmp_path)
    made.station.say(ActEvent.ON)
    return made


def test_red_sounds_and_the_stations_answer_is_the_acceptance(building: Building) -> None:
    outcome = building.channel.send(note(Grade.RED), 0)

    [command] = building.station.commands
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert outcome.vendor_id == command.nonce
    assert (command.verb, command.output, command.seconds) == (Verb.SOUND, "horn", 90.0)
    assert (command.boot, command.expires - command.issued) == ("boot-1", 60_000)


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (ActEvent.HEARD, "delivered"),
        (ActEvent.NOT_HEARD, "undelivered"),
        (ActEvent.FAILED, "undelivered"),
        (ActEvent.WITHHELD, "undelivered"),
    ],
)
def test_feedback_says_whether_it_sounded(event: ActEvent, word: str, building: Building) -> None:
    building.channel.send(note(), 0)

    building.station.say(ActEvent.ON, building.station.commands[0])
    building.station.say(event, building.station.commands[0])

    assert [(said, id_) for said, id_, _ in building.told.words] == [(word, note().id)]


def test_an_act_that_is_repeated_until_its_receipt_counts_once(building: Building) -> None:
    building.channel.send(note(), 0)
    building.station.numbers = itertools.repeat(9)

    building.station.say(ActEvent.HEARD, building.station.commands[0])
    building.station.say(ActEvent.HEARD, building.station.commands[0])

    assert len(building.told.words) == 1


@pytest.mark.parametrize(
    ("grade", "changes"),
    [
        (Grade.ORANGE, {}),
        (Grade.RED, {"exercise": True}),
        (Grade.RED, {"kind": Kind.UPDATE}),
        (Grade.RED, {"kind": Kind.REMINDER}),
    ],
)
def test_nothing_less_and_no_drill_sounds(
    grade: Grade, changes: dict[str, Any], building: Building
) -> None:
    outcome = building.channel.send(note(grade, **changes), 0)

    assert (outcome.kind, outcome.vendor_code) == (OutcomeKind.PERMANENT, "not-sounded")
    assert building.station.commands == []


def test_a_drill_that_was_asked_to_sounds_and_its_end_is_the_end_of_it(building: Building) -> None:
    drill: dict[str, Any] = {"exercise": True, "with_outputs": True}

    outcome = building.channel.send(note(Grade.RED, **drill), 0)
    over = building.channel.send(note(Grade.RED, kind=Kind.DRILL_END, **drill), 0)

    assert (outcome.kind, over.kind) == (OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED)
    assert [command.verb for command in building.station.commands] == [Verb.SOUND, Verb.STOP]


def test_an_all_clear_ends_it(building: Building) -> None:
    outcome = building.channel.send(note(kind=Kind.CLEAR), 0)

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert building.station.commands[0].verb is Verb.STOP


def test_a_self_test_makes_no_noise(building: Building) -> None:
    outcome = building.channel.send(note(kind=Kind.TEST), 0)

    assert (outcome.kind, outcome.detail) == (OutcomeKind.ACCEPTED, "")
    assert building.station.commands == []


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"link": Link.OFFLINE}, OutcomeKind.RETRY, "offline"),
        ({"outputs": ("lamp",)}, OutcomeKind.MISCONFIGURED, "no output 'horn'"),
        ({"outputs": ()}, OutcomeKind.RETRY, "has not said yet"),
        ({"problem": "it has expired"}, OutcomeKind.PERMANENT, "it has expired"),
        ({"deaf": True}, OutcomeKind.UNKNOWN, "does not answer"),
        ({"reached": False}, OutcomeKind.RETRY, "broker"),
        ({"key": b"another key of thirty-two characters"}, OutcomeKind.UNKNOWN, "not answer"),
    ],
)
def test_each_way_in_which_it_does_not_sound_is_told(
    changes: dict[str, Any], kind: OutcomeKind, words: str, building: Building
) -> None:
    for name, value in changes.items():
        setattr(building.station, name, value)
    building.station.say(ActEvent.ON)

    outcome = building.channel.send(note(), 0)

    assert outcome.kind is kind
    assert words in outcome.detail


def test_a_station_that_was_never_heard_of_is_a_retry(tmp_path: Path) -> None:
    outcome = Building(tmp_path).channel.send(note(), 0)

    assert outcome.kind is OutcomeKind.RETRY
    assert "nothing was ever heard" in outcome.detail


def test_a_key_that_is_not_there_must_be_brought(building: Building, tmp_path: Path) -> None:
    (tmp_path / "north-1.key").unlink()

    outcome = building.channel.send(note(), 0)

    assert (outcome.kind, outcome.vendor_code) == (OutcomeKind.MISCONFIGURED, "key")


def test_a_contact_without_an_output_fails_at_once(building: Building) -> None:
    outcome = building.channel.send(note(contact="duty-2"), 0)

    assert 'channels = ["siren:STATION/OUTPUT"]' in outcome.detail


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seconds": 9999.0}, "options.seconds"),
        ({"key_directory": "/nowhere"}, "options.key_directory"),
        ({"grade": "loud"}, "options.grade"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_entry_is_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    whole = {"key_directory": str(tmp_path), **options}

    with pytest.raises(ChannelError, match=r"channel 'siren'") as caught:
        open_channels([ChannelEntry(name="siren", kind="sounder", options=whole)])

    assert words in str(caught.value)


PEOPLE = Contact("duty-1", "Li", "duty", ("hook",))
HORN = Contact("horn", "siren", "sounder", ("siren:north-1/horn",))


@pytest.mark.parametrize(
    ("grade", "contacts", "told"),
    [
        (Grade.RED, (PEOPLE, HORN), {"duty-1", "horn"}),
        (Grade.ORANGE, (PEOPLE, HORN), {"duty-1"}),
        # A siren alone is nobody who could take over: then it goes to all there are.
        (Grade.RED, (Contact("b", "Wang", "driver", ("hook",)), HORN), {"b", "horn"}),
    ],
)
def test_the_ladder_of_red_sounds_the_building_beside_its_people(
    grade: Grade, contacts: tuple[Contact, ...], told: set[str]
) -> None:
    whole = place()
    community = Community(site=whole.site, zone=whole.zone, contact=contacts)

    found = announced(DEFAULTS[grade].announced, community, grade)

    assert {address.contact for address in found} == told
    assert len(found) == len(told)
