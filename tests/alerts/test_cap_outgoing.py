"""CAP 1.2 out: what a receiver elsewhere gets of an incident, checked as a strict receiver does."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from alerts.cap.desk import CapDesk
from alerts.cap.document import CapError, decode, encode
from alerts.cap.message import CapMessage, MessageType, Reference, Scope, Status, write_time
from alerts.cap.outgoing import LIFE_MS, messages
from alerts.cap.settings import CapSettings, settings_problems
from alerts.decisions import Patience, acknowledge, observe, opening, tick
from alerts.incident import Event, Happening
from alerts.journal import fold
from alerts.watch import Watch
from core.grade import Grade
from tests.alerts.scenery import FLOOD, Scene, judged, level, place

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
ATOM = "{http://www.w3.org/2005/Atom}"


def desk(scene: Scene, settings: CapSettings | None = None) -> CapDesk:
    return CapDesk(
        scene.store, scene.community, settings or CapSettings(), "http://hub", scene.clock
    )


def documents(scene: Scene, settings: CapSettings | None = None) -> list[bytes]:
    """Every message of the first incident as it is served."""
    counter = desk(scene, settings)
    found = [counter.document(message.identifier) for message in counter.of_incident(1)]
    assert all(found)
    return [body for body in found if body is not None]


def whole_life(scene: Scene) -> None:
    """Yellow, taken over, red, taken over again, all clear."""
    scene.say(level(Grade.YELLOW))
    scene.clock.advance(60)
    scene.watch.acknowledge(1, "duty-1", "console")
    scene.clock.advance(60)
    scene.say(level(Grade.RED))
    scene.clock.advance(60)
    scene.watch.acknowledge(1, "leader-1", "console")
    scene.say(level(Grade.GREEN))
    scene.later(180, level(Grade.GREEN))


def test_an_incident_is_an_alert_an_update_two_acks_and_an_all_clear(scene: Scene) -> None:
    whole_life(scene)
    kinds = [decode(body).kind for body in documents(scene)]
    assert kinds == ["Alert", "Ack", "Update", "Ack", "Update"]
    last = decode(documents(scene)[-1])
    assert {info.responses for info in last.infos} == {("AllClear",)}
    assert {info.urgency for info in last.infos} == {"Past"}


def test_each_message_passes_the_schema_of_oasis_and_keeps_the_words_of_the_design(
    scene: Scene,
) -> None:
    whole_life(scene)
    red = decode(documents(scene)[2])
    assert [info.language for info in red.infos] == ["zh-CN", "en-US"]
    for info in red.infos:
        assert (info.urgency, info.severity, info.certainty) == ("Immediate", "Extreme", "Observed")
        assert ("gradeCN", "红色") in [(code.name, code.value) for code in info.event_codes]
        assert ("gradeLevel", "I") in [(one.name, one.value) for one in info.parameters]
    assert red.infos[0].headline == "本点位红色 I 级：下穿通道 内涝"
    assert red.infos[1].headline == "Site level red (I): Underpass, flood"
    assert red.infos[0].areas[0].description == "滨河社区 北区 下穿通道"
    assert red.incidents == "riverside.1"


def test_the_description_says_what_and_why_and_nothing_twice(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    told = decode(documents(scene)[0]).infos[0].description.split("\n")
    assert told[0] == "下穿通道水位 0.28 m，已达到红线 0.27 m"
    assert len(told) == len(set(told)) == 2


def test_messages_are_restricted_and_actual_unless_told_otherwise(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    message = decode(documents(scene)[0])
    assert (message.scope, message.status) == (Scope.RESTRICTED, Status.ACTUAL)
    assert "not a warning issued by any authority" in message.restriction
    public = decode(documents(scene, CapSettings(scope=Scope.PUBLIC, restriction=""))[0])
    assert public.scope is Scope.PUBLIC


def test_references_form_a_chain_to_every_message_that_still_stands(scene: Scene) -> None:
    whole_life(scene)
    alert, ack, update, second_ack, clear = (decode(body) for body in documents(scene))
    assert ack.references == (alert.reference,)
    assert update.references == (alert.reference,)
    assert second_ack.references == (update.reference,)
    assert clear.references == (alert.reference, update.reference)


def test_times_have_the_offset_of_the_place_and_never_z_or_fractions(scene: Scene) -> None:
    scene.clock.ms += 123
    whole_life(scene)
    for body in documents(scene):
        times = re.findall(r"\d{4}-\d\d-\d\dT[^<\s]*", body.decode())
        assert times
        for text in times:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00", text), text
    assert write_time(1_764_500_000_999, "UTC") == "2025-11-30T10:53:20-00:00"


def test_the_same_journal_gives_the_same_bytes_after_a_restart(scene: Scene) -> None:
    whole_life(scene)
    before = documents(scene)
    scene.restart()
    assert documents(scene) == before


def test_identifiers_are_unique_and_an_unknown_one_is_not_found(scene: Scene) -> None:
    whole_life(scene)
    names = [message.identifier for message in desk(scene).of_incident(1)]
    assert len(set(names)) == len(names) == 5
    for strange in ("riverside.1.99.5", "elsewhere.1.2.3", "riverside.99999999999.1.1", "x", ""):
        assert desk(scene).document(strange) is None


def test_no_name_of_a_person_leaves_the_house(scene: Scene) -> None:
    whole_life(scene)
    scene.watch.acknowledge(1, scene.store.person_id("赵 六"), "api")
    text = "".join(body.decode() for body in documents(scene))
    for name in ("张 三", "王 五", "赵 六", "leader-1", "person-"):
        assert name not in text
    assert "负责人" in text


def test_a_warning_that_lasts_is_renewed_before_it_expires(scene: Scene) -> None:
    scene.say(level(Grade.ORANGE))
    scene.clock.advance(30 * 3600)
    sent = [message.sent for message in desk(scene).of_incident(1)]
    hours = [(at - sent[0]) / 3_600_000 for at in sent]
    assert hours == [0, 12, 24]
    assert [message.kind for message in desk(scene).active()] == ["Update"]
    # The first has run out by then and is not referred to any more.
    assert [len(message.references) for message in desk(scene).of_incident(1)] == [0, 1, 1]


@settings(max_examples=60, deadline=None)
@given(
    drill=st.sampled_from(["", "d-1"]),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["red", "yellow", "green", "ack", "time", "end"]),
            st.integers(0, 40 * 3600),
        ),
        max_size=12,
    ),
)
def test_whatever_happens_the_messages_are_valid_and_form_a_chain(
    drill: str, steps: list[tuple[str, int]]
) -> None:
    now = 1_764_500_000_123
    events = opening(FLOOD.zone, FLOOD.hazard, judged(level(Grade.ORANGE)), now, drill)
    for step, wait_s in steps:
        now += wait_s * 1000
        state = fold(events, 3)
        if not state.open:
            break
        if step in ("red", "yellow", "green"):
            held = state.judgement.holders
            events += observe(state, judged(level(Grade[step.upper()]), holders=held), now)
        elif step == "ack":
            events += acknowledge(state, "duty-1", "console", now)
        elif step == "time":
            events += tick(state, now, Patience())
        else:
            events.append(Event(at=now, actor="duty-1", what=Happening.ENDED, how="by-hand"))
    found = messages(
        events, 3, community=place(), settings=CapSettings(), base_url="", now=now + 50_000_000
    )
    read = [decode(encode(message, "Asia/Shanghai")) for message in found]
    seen: set[Reference] = set()
    for message in read:
        assert message.reference not in seen
        assert set(message.references) <= seen
        assert (message.kind is MessageType.ALERT) == (not message.references)
        assert (message.status is Status.EXERCISE) == bool(drill)
        seen.add(message.reference)
    assert [message.sent for message in read] == sorted(message.sent for message in read)


def test_the_feed_is_an_atom_feed_with_what_holds_now(scene: Scene) -> None:
    whole_life(scene)
    root = etree.fromstring(desk(scene).feed())
    assert root.tag == f"{ATOM}feed"
    for where in (root, *root.findall(f"{ATOM}entry")):  # RFC 4287, 4.1.1 and 4.1.2
        assert [len(where.findall(f"{ATOM}{name}")) for name in ("id", "title", "updated")] == [
            1, 1, 1,
        ]  # fmt: skip
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", where.findtext(f"{ATOM}updated") or ""
        )
        assert (where.findtext(f"{ATOM}id") or "").startswith("urn:uuid:")
    assert root.findtext(f"{ATOM}author/{ATOM}name") == "safety-eye.riverside"
    (entry,) = root.findall(f"{ATOM}entry")
    (link,) = entry.findall(f"{ATOM}link[@rel='alternate']")
    newest = desk(scene).of_incident(1)[-1]
    assert link.get("href") == f"http://hub/api/v1/cap/{newest.identifier}.xml"
    assert link.get("type") == "application/cap+xml"
    assert desk(scene).feed() == desk(scene).feed()


def test_the_feed_forgets_what_has_expired_and_keeps_its_own_id(scene: Scene) -> None:
    empty = etree.fromstring(desk(scene).feed())
    whole_life(scene)
    scene.later(3600, level(Grade.GREEN))
    scene.clock.advance(LIFE_MS / 1000)
    later = etree.fromstring(desk(scene).feed())
    assert later.findall(f"{ATOM}entry") == []
    assert later.findtext(f"{ATOM}id") == empty.findtext(f"{ATOM}id")
    assert later.findtext(f"{ATOM}updated") != empty.findtext(f"{ATOM}updated")


def test_a_drill_is_an_exercise_in_every_message_and_is_cancelled_at_its_end(scene: Scene) -> None:
    drill = Watch(scene.store, scene.community, scene.clock, Patience(), "d-1")
    drill.take(level(Grade.RED), 120)
    kept = scene.store.kept(1)
    scene.clock.advance(5)
    assert kept is not None
    over = Event(at=scene.clock.ms, what=Happening.DRILL_ENDED, how="finished")
    scene.store.commit(kept, [over], drill.times())
    alert, cancel = (decode(body) for body in documents(scene))
    assert (alert.status, alert.kind, cancel.kind) == ("Exercise", "Alert", "Cancel")
    assert cancel.references == (alert.reference,)
    assert alert.note.startswith("演练")
    assert alert.infos[0].headline.startswith("【演练】")
    assert desk(scene).active() == desk(scene).active(exercises=True) == []


def test_the_feed_of_what_is_actual_holds_no_exercise(scene: Scene) -> None:
    drill = Watch(scene.store, scene.community, scene.clock, Patience(), "d-1")
    drill.take(level(Grade.RED), 120)
    scene.say(level(Grade.YELLOW))
    assert [one.status for one in desk(scene).active()] == ["Actual"]
    assert [one.status for one in desk(scene).active(exercises=True)] == ["Exercise"]


def test_what_is_ended_by_hand_is_cancelled(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    kept = scene.store.kept(1)
    scene.clock.advance(60)
    assert kept is not None
    ended = Event(at=scene.clock.ms, actor="leader-1", what=Happening.ENDED, how="by-hand")
    scene.store.commit(kept, [ended], scene.watch.times())
    assert [decode(body).kind for body in documents(scene)] == ["Alert", "Cancel"]
    assert "人工结束" in decode(documents(scene)[1]).note


def test_what_breaks_the_prose_never_leaves(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    good = desk(scene).of_incident(1)[0]

    def refusal(**changes: object) -> str:
        message: CapMessage = msgspec.structs.replace(good, **changes)
        with pytest.raises(CapError) as caught:
            encode(message, "Asia/Shanghai")
        return str(caught.value)

    assert "identifier" in refusal(identifier="a b")
    assert "sender" in refusal(sender="a,b")
    assert "restriction" in refusal(restriction="")
    assert "addresses" in refusal(scope=Scope.PRIVATE)
    assert "references" in refusal(kind=MessageType.UPDATE)
    assert "Exercise" in refusal(status=Status.EXERCISE)
    assert "info" in refusal(infos=())


def test_a_device_name_with_control_characters_does_not_stop_a_warning(scene: Scene) -> None:
    scene.say(level(Grade.RED))
    good = desk(scene).of_incident(1)[0]
    info = msgspec.structs.replace(good.infos[0], description="水\x00位 <b>&\x1b[0m")
    body = encode(msgspec.structs.replace(good, infos=(info,)), "Asia/Shanghai")
    assert decode(body).infos[0].description == "水位 <b>&[0m"


def test_settings_that_cant_make_a_good_message_are_named() -> None:
    wrong = settings_problems(
        CapSettings(sender="a b", scope=Scope.PRIVATE, geocode={"attic": {"x": "1"}}), place()
    )
    assert [text.partition(":")[0] for text in wrong] == [
        "cap.sender", "cap.addresses", "cap.geocode.attic",
    ]  # fmt: skip
    assert settings_problems(CapSettings(), place()) == []
