"""The WeCom group bot: bytes, mentions, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.entry import ChannelEntry
from alerts.channels.wecom import MAX_MARKDOWN_BYTES, MAX_TEXT_BYTES, WeComBot
from alerts.incident import Kind
from alerts.message import harmless, truncate_utf8
from core.community import Name
from core.grade import Grade
from tests.alerts.samples import BOT_KEY, note
from tests.alerts.vendor import Reply, Vendor


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    server = Vendor(Reply(body=b'{"errcode":0,"errmsg":"ok"}'))
    yield server
    server.close()


Make = Callable[..., WeComBot]


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Make]:
    made: list[WeComBot] = []

    def make(url: str = "http://127.0.0.1:9/send", **changes: object) -> WeComBot:
        file = tmp_path / "key"
        file.write_text(BOT_KEY)
        keys: dict[str, object] = {
            "name": "duty", "kind": "wecom", "url": url, "secret_file": str(file),
            "allow_private": True, **changes,
        }  # fmt: skip
        made.append(WeComBot(ChannelEntry(**keys)))  # type: ignore[arg-type]  # a table of keys
        return made[-1]

    yield make
    for channel in made:
        channel.close()


def text_of(channel: WeComBot, **changes: object) -> str:
    message = channel.message(note(**changes))  # type: ignore[arg-type]  # a table of keys
    inner = message[str(message["msgtype"])]
    assert isinstance(inner, dict)
    return str(inner["content"])


def test_a_person_reads_grade_place_what_since_when_link_and_why(bot: Make) -> None:
    assert text_of(bot()).splitlines() == [
        "【红色 I 级】下穿通道 内涝",
        "下穿通道水位 0.28 m，已达到红线 0.27 m",
        "自 11月30日 18:53 起 #12-3",
        "处置：http://hub:8765/incidents/12",
        "依据：已持续 3 秒（已测得）",
    ]


def test_the_same_in_english(bot: Make) -> None:
    text = text_of(bot(language="en"), grade=Grade.YELLOW)

    assert text.splitlines()[:3] == [
        "[yellow (III)] Underpass: flood",
        "Underpass: water level 0.16 m, at or above the yellow limit 0.15 m",
        "Since 30 Nov 18:53 #12-3",
    ]


def test_a_clear_tells_how_bad_it_had_been(bot: Make) -> None:
    text = text_of(bot(), kind=Kind.CLEAR)

    assert text.startswith("【解除】下穿通道 内涝")
    assert "曾达最高等级：红色 I 级" in text


def test_the_key_travels_in_the_url_and_the_message_as_json(vendor: Vendor, bot: Make) -> None:
    bot(vendor.url).send(note(), 0)

    [request] = vendor.requests
    assert request.path == f"/hook?key={BOT_KEY}"
    assert request.json["msgtype"] == "text"


def test_orange_and_red_mention_and_lower_grades_do_not(bot: Make, tmp_path: Path) -> None:
    mobiles = tmp_path / "mobiles"
    mobiles.write_text("13800000000\n13900000000\n")
    channel = bot(mention=("@all",), mention_mobile_file=str(mobiles))

    loud, quiet = channel.message(note(Grade.RED)), channel.message(note(Grade.BLUE))

    assert isinstance(loud["text"], dict)
    assert loud["text"]["mentioned_list"] == ["@all"]
    assert loud["text"]["mentioned_mobile_list"] == ["13800000000", "13900000000"]
    assert isinstance(quiet["text"], dict)
    assert set(quiet["text"]) == {"content"}


def test_names_from_outside_can_mention_nobody(bot: Make) -> None:
    evil = Name(zh="<@all> <font>", en="<@all>")

    for style in ("text", "markdown"):
        content = text_of(bot(style=style), headline=evil)
        assert "<@all>" not in content
    assert "<" not in harmless("<@all>")


@pytest.mark.parametrize(
    ("style", "limit"), [("text", MAX_TEXT_BYTES), ("markdown", MAX_MARKDOWN_BYTES)]
)
def test_long_texts_are_cut_at_the_byte_and_keep_grade_place_and_link(
    style: str, limit: int, bot: Make
) -> None:
    content = text_of(bot(style=style), why=Name(zh="水" * 9000))

    assert limit - 3 < len(content.encode()) <= limit
    assert "红色 I 级" in content
    assert "http://hub:8765/incidents/12" in content


@given(text=st.text(max_size=200), limit=st.integers(0, 120))
def test_cutting_never_breaks_a_character_and_never_exceeds(text: str, limit: int) -> None:
    text = text.encode(errors="ignore").decode()

    cut = truncate_utf8(text, limit)

    assert len(cut.encode()) <= limit
    assert cut == text or text.startswith(cut.removesuffix("…"))
    if len(text.encode()) <= limit:
        assert cut == text


def test_a_rate_limit_waits_for_the_window(vendor: Vendor, bot: Make) -> None:
    vendor.reply = Reply(body=json.dumps({"errcode": 45009, "errmsg": "freq"}).encode())

    outcome = bot(vendor.url).send(note(), 0)

    assert outcome.retry_after_s == 60
    assert outcome.vendor_code == "45009"


def test_the_bot_keeps_below_the_vendors_limit(bot: Make) -> None:
    assert bot().per_minute == 18
    assert bot(per_minute=5).per_minute == 5
    assert bot(per_minute=500).per_minute == 18


def test_an_error_text_that_repeats_the_key_is_masked(vendor: Vendor, bot: Make) -> None:
    vendor.reply = Reply(body=json.dumps({"errcode": 93000, "errmsg": f"no {BOT_KEY}"}).encode())

    assert BOT_KEY not in bot(vendor.url).send(note(), 0).detail
