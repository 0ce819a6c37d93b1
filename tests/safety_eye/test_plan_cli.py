"""`safety-eye plan lint` and `people import`: exit codes, JSON, and words instead of traces."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alerts.response_file import load_response
from core.community_file import load_community
from safety_eye.check import describe
from safety_eye.cli import app
from safety_eye.demo_site import RED, webhook_channels
from safety_eye.hub import HubConfig
from safety_eye.profile_text import to_toml
from safety_eye.up import plan_lines

SAMPLE = Path(__file__).parents[2] / "safety_eye/sample"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("community.toml", "response.toml", "volunteers.csv"):
        shutil.copy(SAMPLE / name, tmp_path / name)
    return tmp_path


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(app, arguments)
    assert "Traceback" not in done.output
    return done


def lint(place: Path, *arguments: str) -> tuple[int, list[dict[str, str]], str]:
    done = run("plan", "lint", "--community", str(place / "community.toml"), "--json", *arguments)
    return done.exit_code, json.loads(done.stdout or "[]"), done.stderr


def test_with_its_register_the_sample_of_a_place_is_clean_but_for_what_has_run_out(
    place: Path,
) -> None:
    code, found, _ = lint(place, "--register", str(place / "volunteers.csv"))

    # The sample was reviewed in May 2026 and grows old with the calendar, as a real one does.
    old = {"review-overdue", "expired", "short"}
    assert [one for one in found if one["rule"] not in old] == []
    assert code == (1 if found else 0)


def test_the_register_of_a_hub_is_looked_into_and_an_import_changes_what_is_found(
    place: Path,
) -> None:
    community, state = str(place / "community.toml"), str(place / "state")
    (place / "state").mkdir()
    nothing, _, said = lint(place, "--state", state)
    assert (nothing, "has the hub run there?" in said) == (2, True)

    taken = run("people", "import", str(place / "volunteers.csv"), "--community", community,
                "--state", state)  # fmt: skip

    assert (taken.exit_code, "5 volunteers" in taken.stderr) == (0, True)
    _, found, _ = lint(place, "--state", state)
    assert "no-volunteer" not in {one["rule"] for one in found}
    _, without, _ = lint(place)
    assert "no-volunteer" in {one["rule"] for one in without}


def test_a_copied_plan_is_found_and_a_broken_file_is_refused_in_words(place: Path) -> None:
    file = place / "response.toml"
    text = file.read_text().replace(
        "升起东门两根液压桩，派人在门口带消防车", "组织人员沿安全出口疏散，禁止使用电梯。"
    )
    file.write_text(text)
    code, found, _ = lint(place)
    assert (code, [one["where"] for one in found if one["rule"] == "copied"]) == (
        1,
        ["plan fire-site: step gate"],
    )

    file.write_text(text.replace('zone = "garage-b1"', 'zone = "cellar"'))
    code, _, said = lint(place)
    assert (code, "zone 'cellar' is not in the profile" in " ".join(said.split())) == (2, True)


def test_a_step_that_nobody_owns_is_one_finding_and_the_hub_keeps_its_plans(place: Path) -> None:
    file, whole = place / "response.toml", load_community(place / "community.toml")
    file.write_text(file.read_text().replace('role = "duty"\n', "", 1))

    code, found, _ = lint(place)

    [step] = load_response(file, whole).unowned
    assert (code, [one["rule"] for one in found].count("no-owner")) == (1, 1)
    assert any(f"nobody owns step {step}" in line for line in describe(file))
    config = HubConfig(response=str(file))
    assert plan_lines(config, whole) == [f"nobody owns step {step}: give its role"]
    file.write_text(file.read_text().replace('zone = "garage-b1"', 'zone = "cellar"'))
    assert "without plans and roster" in plan_lines(config, whole)[-1]


def test_the_demo_is_an_example_that_residents_of_every_zone_are_told_of_a_red(
    place: Path,
) -> None:
    config = HubConfig(
        channel=webhook_channels(place, "http://[::1]:9", "whsec_"), escalation=(RED,)
    )
    hub = place / "hub.toml"
    hub.write_text(to_toml(config))

    _, found, _ = lint(place, "--register", str(place / "volunteers.csv"), "--hub", str(hub))

    old = {"review-overdue", "expired", "short"}  # with the calendar, as a real one
    assert [one for one in found if one["rule"] not in old] == []


def test_who_tells_residents_is_looked_into_once_the_hub_file_is_given(place: Path) -> None:
    hub, told = place / "hub.toml", place / "told.toml"
    hub.write_text('[[channel]]\nname = "duty-webhook"\nkind = "webhook"\nurl = "http://[::1]:9"\n')
    told.write_text(
        hub.read_text() + '[[escalation]]\ngrade = "red"\n[[escalation.step]]\nafter_s = 0\n'
        'roles = ["duty", "resident"]\n'
    )
    with (place / "community.toml").open("a") as profile:
        profile.write('[[contact]]\nid = "tenants"\nname = "居民群"\nrole = "resident"\n'
                      'channels = ["duty-webhook"]\n')  # fmt: skip

    def silent(*arguments: str) -> list[str]:
        return [one["where"] for one in lint(place, *arguments)[1] if one["rule"] == "residents"]

    assert silent() == []
    assert "zone underpass" in silent("--hub", str(hub))
    assert "zone garage-b1" not in silent("--hub", str(hub))  # its doors are knocked on
    assert silent("--hub", str(told)) == []


def test_check_says_what_a_response_means() -> None:
    lines = describe(SAMPLE / "response.toml")

    assert "13 plans, 2 shifts" in lines[0]
    assert any("fire-tower-3-red" in line and "from orange" in line for line in lines)
