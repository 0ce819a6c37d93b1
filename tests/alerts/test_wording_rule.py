"""We say *site level red* (本点位红色), and never call it an official warning (官方预警)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from alerts.cap.outgoing import headline
from alerts.incident import Kind
from alerts.message import lines, short, title
from alerts.notification import Audience
from core.grade import WARNING_GRADES, Grade
from tests.alerts.samples import note

ROOT = Path(__file__).parents[2]
PACKAGES = ("core", "edge", "ingest", "detectors", "alerts", "dashboards", "safety_eye", "hardware")
TEXTS = {".html", ".js", ".json", ".toml", ".md", ".txt", ".template", ".service", ".csv"}
# What would pass for a warning of an authority…
CLAIM = re.compile(
    r"(?:官方|政府|国家|气象部门|主管部门|法定)(?:发布)?的?(?:正式)?(?:预警|警报)"
    r"|(?:official|government(?:al)?|statutory)\s+(?:\w+\s+)?(?:warning|alert)s?\b",
    re.IGNORECASE,
)
# … unless it is said that it is none.
DENIAL = re.compile(r"(?:非|不是|不代表|并不是|不构成|never|not|no|none|nor)\W*(?:\w+\W+){0,3}$",
                    re.IGNORECASE)  # fmt: skip


def claims(text: str) -> list[str]:
    """Return what in a text claims to be official."""
    return [
        found[0]
        for found in CLAIM.finditer(text)
        if DENIAL.search(text[max(found.start() - 40, 0) : found.start()]) is None
    ]


def texts_of(path: Path) -> Iterator[str]:
    """Every text of a file that a person may come to read; of Python without docstrings."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield source
        return
    tree = ast.parse(source)
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    for node in constants:
        if isinstance(node.value, str) and id(node) not in documents:
            yield node.value


def files() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in TEXTS | {".py"} and "vendor" not in path.parts:
                yield path


def test_no_text_that_people_read_passes_for_an_official_warning() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {claim}"
        for path in files()
        for text in texts_of(path)
        for claim in claims(text)
    }
    assert found == set()


def refusals_in_one_language() -> Iterator[str]:
    """Every refusal for people (a kind of `RefusalError`) whose second text is not Chinese."""
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for path in files()
        if path.suffix == ".py"
    }
    kinds = {"RefusalError"}
    kinds |= {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id in kinds for base in node.bases)
    }
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id in kinds and not (
                len(node.args) == 2 and re.search(r"[\u4e00-\u9fff]", ast.unparse(node.args[1]))
            ):
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_every_refusal_can_be_read_in_chinese_too() -> None:
    assert list(refusals_in_one_language()) == []


@pytest.mark.parametrize(
    "text",
    ["发布官方预警", "政府发布的预警：暴雨", "an official flood warning", "Government warning"],
)
def test_the_rule_finds_a_claim(text: str) -> None:
    assert claims(text)


@pytest.mark.parametrize(
    "text", ["来自本社区，非官方预警", "no official warning", "never an official warning"]
)
def test_the_rule_lets_a_denial_pass(text: str) -> None:
    assert claims(text) == []


@pytest.mark.parametrize("audience", [Audience.STREET_OFFICE, Audience.RESIDENT])
@pytest.mark.parametrize("kind", [Kind.ALERT, Kind.UPDATE, Kind.ESCALATION])
def test_who_also_gets_warnings_of_authorities_reads_that_this_is_a_level_of_the_site(
    audience: Audience, kind: Kind
) -> None:
    told = msgspec.structs.replace(note(Grade.RED, kind), audience=audience)
    for text in (title(told, "zh"), short(told, "zh"), lines(told, "zh")[0]):
        assert "本点位" in text
    for text in (title(told, "en"), short(told, "en", 160)):
        assert "site level" in text


@pytest.mark.parametrize("grade", WARNING_GRADES)
def test_the_headline_of_each_cap_message_begins_with_the_site(grade: Grade) -> None:
    assert headline(grade, "下穿通道", "内涝", "zh", clear=False).startswith("本点位")
    assert headline(grade, "Underpass", "flood", "en", clear=False).startswith("Site level")
