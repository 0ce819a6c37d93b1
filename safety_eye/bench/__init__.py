"""Speed on this machine, each figure beside a baseline that was measured in the same run."""

from __future__ import annotations

import importlib
import json
import platform
from collections.abc import Sequence
from typing import Any

from safety_eye.bench.gates import judge
from safety_eye.output import console, say

# Part -> module that has `run() -> dict`.
PARTS = {
    name: f"safety_eye.bench.{name}"
    for name in ("wire", "ingest", "detect", "latency", "edge", "outbox")
}


def run_parts(parts: Sequence[str], *, as_json: bool) -> bool:
    """Run *parts* one after the other, print what they measured; True if every gate held."""
    results: dict[str, Any] = {"machine": machine()}
    for part in parts:
        with console.status(f"bench {part} …"):
            results[part] = importlib.import_module(PARTS[part]).run()
        if not as_json:
            _show(part, results[part])
    verdicts = judge(results)
    results["gates"] = {str(verdict.gate.why): verdict.held for verdict in verdicts}
    for verdict in verdicts:
        console.print(str(verdict), style="" if verdict.held else "red", markup=False)
    if as_json:
        print(json.dumps(results, ensure_ascii=False, allow_nan=False))
    return all(verdict.held for verdict in verdicts)


def machine() -> dict[str, str]:
    """Return what the figures were measured on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _show(part: str, result: dict[str, Any], indent: str = "  ") -> None:
    say(f"[bold]{part}[/]")
    for key, value in result.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{name} {_number(number)}" for name, number in value.items())
            say(f"{indent}{key:<34} {inner}")
        else:
            say(f"{indent}{key:<34} {_number(value)}")


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
