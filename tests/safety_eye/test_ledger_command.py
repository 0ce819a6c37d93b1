"""What people can ask the ledger: accounts, the quarantine, the fate of one pack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.pack import Gone
from ingest.ledger import Ledger
from ingest.quarantine import Quarantined, write_quarantine
from safety_eye.cli import app

AT_MS = 1_764_500_000_000
REFUSED = Quarantined(
    AT_MS, "north-1", "b1", 2, 0, 3, "unknown sensor 'x' [bold]", 40,
    b'[{"n":"x"}]\x1b[2J\xff\\[/x]',
)  # fmt: skip
STRAY = Quarantined(AT_MS + 1000, "", None, None, None, 1, "not SenML", 2, b"{}")


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ledger", *arguments], env={"COLUMNS": "200"})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    ledger = Ledger(tmp_path / "ledger.db")
    account = ledger.account("north-1", "b1")
    for seq, made in ((1, 10), (4, 40)):
        account.receive(seq, made, 10, AT_MS)
        account.stored += 10
    ledger.declare("north-1", [Gone("b1", 2, 2, 10, "overflow")], [], AT_MS)
    ledger.begin()
    write_quarantine(ledger.connection, [REFUSED, STRAY])
    ledger.commit()
    ledger.close()
    return tmp_path


def test_the_account_of_each_station_adds_up_and_says_what_is_on_the_way(state: Path) -> None:
    asked = ask("show", "--state", str(state))
    row = next(line for line in asked.stdout.splitlines() if line.startswith("north-1"))
    assert row.split()[:8] == ["north-1", "40", "20", "0", "10", "0", "10", "1"]
    assert asked.exit_code == 1, "pack 3 is missing"
    [found] = json.loads(ask("show", "--state", str(state), "--json").stdout)
    assert (found["produced"], found["lost"], found["holes"]) == (40, 10, 1)


def test_a_settled_ledger_is_code_0(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    account = ledger.account("north-1", "b1")
    account.receive(1, 10, 10, AT_MS)
    account.stored += 10
    ledger.commit()
    ledger.close()
    assert ask("show", "--state", str(tmp_path)).exit_code == 0


def test_the_quarantine_says_why_newest_first_and_its_bytes_harm_no_screen(state: Path) -> None:
    shown = ask("quarantine", "--state", str(state)).stdout
    assert shown.index("not SenML") < shown.index("unknown sensor 'x' [bold]")
    assert "2025-11-30 10:53:20" in shown
    assert "b1:2 #0" in shown
    assert "\x1b" not in shown
    assert r'[{"n":"x"}]\x1b[2J\xff\[/x]' in shown


def test_the_quarantine_of_one_station_as_json(state: Path) -> None:
    asked = ask("quarantine", "--state", str(state), "--station", "north-1", "--json")
    [row] = json.loads(asked.stdout)
    assert (row["readings"], row["reason"], row["seq"]) == (3, REFUSED.reason, 2)


@pytest.mark.parametrize(
    ("seq", "fate", "code"),
    [(1, "stored", 0), (2, "lost", 1), (3, "missing", 1), (4, "stored", 0), (99, "missing", 1)],
)
def test_the_fate_of_one_pack(state: Path, seq: int, fate: str, code: int) -> None:
    asked = ask("pack", "north-1", "b1", str(seq), "--state", str(state))
    assert (asked.stdout.strip(), asked.exit_code) == (fate, code)


@pytest.mark.parametrize("text", [None, b"this is no database, but as long as one" * 20])
def test_no_ledger_or_a_broken_one_is_one_line(tmp_path: Path, text: bytes | None) -> None:
    if text is not None:
        (tmp_path / "ledger.db").write_bytes(text)
    asked = ask("quarantine", "--state", str(tmp_path))
    assert asked.exit_code == 2
    assert "ledger.db" in asked.stderr
    assert "Traceback" not in asked.stderr
