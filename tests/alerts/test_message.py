"""What people read: at once who must do what, in as few words as an SMS holds."""

from __future__ import annotations

import msgspec
import pytest

from alerts.decisions import observe, opening
from alerts.guidance import Guidance, advice
from alerts.incident import Event, Happening, Kind
from alerts.journal import Head, fold
from alerts.message import MAX_ITEMS, Audience, cut, lines, notification, short, title, ucs2
from alerts.notification import DigestItem
from core.community import Name
from core.finding import Condition, Hazard
from core.grade import Grade
from tests.alerts.samples import note
from tests.alerts.scenery import FLOOD, judged, level, place

NOW = 1_764_500_003_000

FIRST = Name("先关闸，再清人", "Close the gate, then clear the place")
PUBLIC = Name("请离开地下车库", "Leave the underground car park")


def test_duty_staff_read_what_to_do_first_before_why() -> None:
    text = lines(note(first=FIRST, take_url="https://h/a/1-x"), "zh")

    assert text == [
        "【红色 I 级】下穿通道 内涝",
        "下穿通道水位 0.28 m，已达到红线 0.27 m",
        "自 11月30日 18:53 起 #12-3",
        "先做：先关闸，再清人",
        "处置：https://h/a/1-x",
        "依据：已持续 3 秒（已测得）",
    ]


def test_an_escalation_says_for_how_long_nobody_has_taken_it() -> None:
    zh = lines(note(kind=Kind.ESCALATION, waited_s=300.0), "zh")
    en = lines(note(kind=Kind.ESCALATION, waited_s=300.0), "en")

    assert zh[:2] == ["【红色 I 级·无人接手】下穿通道 内涝", "已 5 分钟无人接手，请你接手"]
    assert en[1] == "Nobody for 5 min: please take over"


def test_a_reminder_says_what_silence_means() -> None:
    text = lines(note(kind=Kind.REMINDER, lapse_s=600.0), "zh")

    assert text[0] == "【红色 I 级·还在处理吗】下穿通道 内涝"
    assert text[1] == "10 分钟内不确认，将重新呼叫其他人"


def test_the_street_office_reads_who_has_it_and_gets_no_links() -> None:
    text = lines(note(audience=Audience.STREET_OFFICE, kind=Kind.ESCALATION), "zh")

    assert text[0] == "【本点位红色 I 级】下穿通道 内涝"
    assert text[-1] == "尚无人接手，社区正在逐级呼叫"
    assert not any("http" in line or "请你接手" in line for line in text)


def test_the_street_office_reads_who_has_it_in_an_sms_too_and_no_step_of_the_plan() -> None:
    text = short(note(audience=Audience.STREET_OFFICE, first=FIRST), "zh", 140)

    assert text == (
        "【本点位红色I级】下穿通道水位0.28m，已达到红线0.27m #12-3 "
        "尚无人接手，社区正在逐级呼叫 自11月30日 18:53"
    )


def test_what_is_held_because_nothing_is_known_keeps_its_words_and_says_so_in_every_text() -> None:
    opened = opening(FLOOD.zone, FLOOD.hazard, judged(level(Grade.RED)), NOW)
    incident = fold(opened, 12)
    began_anew = level(Grade.GREEN, condition=Condition.UNKNOWN)
    lost = observe(incident, judged(began_anew, holders=incident.judgement.holders), NOW + 30_000)
    rung = Event(
        at=NOW + 60_000, what=Happening.ESCALATED, seq=2, kind=Kind.ESCALATION, grade=Grade.RED
    )
    told = notification(
        fold([*opened, *lost], 12), rung,
        community=place(), base_url="", journal=Head(7, "ab" * 32),
    )  # fmt: skip

    assert told.headline.zh == "下穿通道水位 0.28 m，已达到红线 0.27 m（现状未知）"
    assert told.since == incident.judgement.since > 0
    assert "（现状未知）" in short(told, "zh", 140)
    assert "(present state unknown)" in " ".join(lines(told, "en"))
    assert "恢复正常" not in " ".join(lines(told, "zh"))


def test_residents_read_plain_words_and_that_it_is_no_official_warning() -> None:
    text = lines(note(audience=Audience.RESIDENT, public=PUBLIC), "zh")

    assert text == [
        "【本点位红色 I 级】下穿通道 内涝", "请离开地下车库", "来自本社区，非官方预警",
    ]  # fmt: skip
    assert "#12" not in "".join(text)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("audience", list(Audience))
def test_a_drill_says_so_before_anything_else_in_every_text(
    kind: Kind, audience: Audience, language: str
) -> None:
    drill = note(kind=kind, audience=audience, exercise=True)
    mark = "【演练】" if language == "zh" else "[DRILL] "

    assert title(drill, language).startswith(mark)
    assert lines(drill, language)[0].startswith(mark)
    assert short(drill, language).startswith(mark)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("audience", list(Audience))
def test_the_short_form_fits_one_sms(kind: Kind, audience: Audience) -> None:
    long = Name("很" * 90, "very " * 40)

    cases: list[dict[str, object]] = [{}, {"headline": long}, {"place": long, "headline": Name()}]
    for changes in cases:
        made = note(kind=kind, audience=audience, first=FIRST, **changes)  # type: ignore[arg-type]  # keywords of note
        assert ucs2(short(made, "zh")) <= 70
        assert ucs2(short(made, "en")) <= 70


def test_the_short_form_holds_fact_number_and_link_where_they_fit() -> None:
    link = "https://hub.cn/a/1f-AbCdEfGhIjKlMnOp"
    fact = "【红色I级】下穿通道水位0.28m，已达到红线0.27m"

    assert short(note(take_url=link, first=FIRST), "zh") == f"{fact} {link}"
    assert short(note(first=FIRST), "zh") == f"{fact} #12-3 先关闸，再清人 自11月30日 18:53"


@pytest.mark.parametrize("audience", Audience)
def test_an_all_clear_asks_nobody_to_do_anything_in_any_text(audience: Audience) -> None:
    link = "https://h/a/1-x"
    over = msgspec.structs.replace(
        note(audience=audience, first=FIRST, public=PUBLIC, take_url=link),
        kind=Kind.CLEAR, grade=Grade.GREEN,
    )  # fmt: skip

    for text in (short(over, "zh", 140), "\n".join(lines(over, "zh"))):
        assert text.startswith("【解除】下穿通道 内涝")
        for asked in (FIRST.zh, PUBLIC.zh, link, "呼叫", "处置"):
            assert asked not in text


@pytest.mark.parametrize("audience", Audience)
def test_the_end_of_a_drill_asks_nobody_to_do_anything_in_any_text(audience: Audience) -> None:
    nothing = Name("以上均为演练，没有险情", "All of it was an exercise; there is no danger.")
    end = note(
        audience=audience, kind=Kind.DRILL_END, exercise=True, ending="finished",
        headline=nothing, first=FIRST, public=PUBLIC, take_url="https://h/a/1-x",
    )  # fmt: skip

    for text in (short(end, "zh", 140), "\n".join(lines(end, "zh"))):
        assert text.startswith("【演练】【结束】下穿通道 内涝")
        assert nothing.zh in text
        for asked in (FIRST.zh, PUBLIC.zh, "https://h/a/1-x", "呼叫", "处置"):
            assert asked not in text


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.NOTICE])
def test_no_text_for_residents_has_an_id_a_link_or_a_measurement(kind: Kind, language: str) -> None:
    whole = note()
    item = DigestItem(
        incident=12, grade=Grade.YELLOW, peak=Grade.RED, place=whole.place, headline=whole.headline,
        since=1_764_500_000_000, over=False,
    )  # fmt: skip
    told = note(audience=Audience.RESIDENT, kind=kind, public=PUBLIC, items=(item,), zone="under-1")

    text = "\n".join([*lines(told, language), short(told, language, 140)])

    assert told.incident == 12
    for technical in ("#", "12", "http", "under-1", "0.2", "duty-1"):
        assert technical not in text, text


@pytest.mark.parametrize(("language", "says"), [("zh", "另有 3 处"), ("en", "and 3 more")])
def test_a_digest_for_residents_that_is_too_long_says_that_there_is_more(
    language: str, says: str
) -> None:
    items = tuple(
        DigestItem(
            incident=number, grade=Grade.YELLOW, peak=Grade.YELLOW, place=Name(f"{number} 号楼"),
            headline=Name(), since=1_764_500_000_000, over=False,
        )
        for number in range(MAX_ITEMS + 3)
    )  # fmt: skip

    told = lines(note(audience=Audience.RESIDENT, kind=Kind.DIGEST, items=items), language)

    assert len(told) == 1 + MAX_ITEMS + 2
    assert told[-2] == says


def test_residents_are_told_to_go_on_while_it_is_only_easing() -> None:
    easing = note(audience=Audience.RESIDENT, kind=Kind.UPDATE, public=PUBLIC)

    for text in (short(easing, "zh", 140), "\n".join(lines(easing, "zh"))):
        assert "收到解除通知前" in text
        assert PUBLIC.zh not in text


def test_an_sms_to_residents_says_what_to_do_and_that_it_is_no_official_warning() -> None:
    text = short(note(audience=Audience.RESIDENT, public=PUBLIC), "zh", 140)

    assert text == "【本点位红色 I 级】下穿通道 内涝 请离开地下车库 来自本社区，非官方预警"


def test_a_text_is_cut_between_characters() -> None:
    assert cut("水位🌊🌊", 4) == "水位…"
    assert cut("水位", 2) == "水位"


def test_a_plan_of_the_place_says_it_better_and_the_general_advice_fills_its_gaps() -> None:
    def plans(zone: str, hazard: Hazard, grade: Grade) -> Guidance:
        assert (zone, hazard, grade) == ("underpass", Hazard.FLOOD, Grade.RED)
        return Guidance(first=FIRST)

    mixed = advice(plans, "underpass", Hazard.FLOOD, Grade.RED)

    assert mixed.first == FIRST
    assert "涉水" in mixed.public.zh
    assert advice(None, "underpass", Hazard.FLOOD, Grade.BLUE).public == Name()
