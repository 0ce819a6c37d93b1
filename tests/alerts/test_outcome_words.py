"""What became of a message can be read by the duty: every text of ours has its Chinese."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from alerts.channels.post import Answer, of_status, without_answer
from alerts.outcome_words import outcome_words

ALERTS = Path(__file__).parents[2] / "alerts"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def plain_details() -> Iterator[str]:
    """Every text that a channel or the outbox writes as the detail of a message, word for word."""
    for path in sorted(ALERTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            given = [one.value for one in node.keywords if one.arg == "detail"]
            if isinstance(node.func, ast.Name) and node.func.id in ("fail", "_mend", "Held"):
                given += node.args
            for value in given:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


def test_every_detail_of_ours_has_its_chinese() -> None:
    texts = {text for text in plain_details() if text}

    assert len(texts) > 25
    assert {text for text in texts if not CHINESE.search(outcome_words(text, "zh"))} == set()


@pytest.mark.parametrize(
    ("detail", "zh"),
    [
        ("told by announcement 4", "已由第 4 次通知告知"),
        ("more than 10 messages in 10 min", "10 分钟内超过 10 条"),
        ("HTTP 401: mend url or secret", "对方返回 HTTP 401：请检查地址或密钥"),
        ("SMTP 550: no such user", "邮件服务器返回 550：no such user"),
        ("the answer is not WeCom's", "应答不是 WeCom 的格式"),
        ("station north-1 is stopped", "站点 north-1 已停机"),
    ],
)
def test_what_a_text_says_stays_in_it(detail: str, zh: str) -> None:
    assert (outcome_words(detail, "zh"), outcome_words(detail, "en")) == (zh, detail)


def test_a_vendors_own_words_stay_as_they_were() -> None:
    said = "errcode 40058: invalid Request Parameter"

    assert outcome_words(said, "zh") == said


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.ReadError("x")]
)
def test_so_has_what_a_broken_connection_and_a_status_are_told_as(error: Exception) -> None:
    assert CHINESE.search(outcome_words(without_answer(error).detail, "zh"))
    for status in (302, 401, 418, 429, 503):
        detail = of_status(Answer(status, b"", True, None)).detail
        assert CHINESE.search(outcome_words(detail, "zh")), status
