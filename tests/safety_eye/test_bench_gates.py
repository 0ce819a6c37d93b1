"""The bounds of the benchmarks: a figure that is missing or beyond its bound is a miss."""

from __future__ import annotations

from safety_eye.bench import PARTS
from safety_eye.bench.gates import GATES, judge


def test_a_figure_within_its_bound_holds_and_one_beyond_it_does_not() -> None:
    def held(share: float) -> dict[str, bool]:
        verdicts = judge({"edge": {"station": {"resident_mb": 32.0, "core_share": share}}})
        return {verdict.gate.path[-1]: verdict.held for verdict in verdicts}

    assert (held(0.01)["resident_mb"], held(0.01)["core_share"]) == (True, True)
    assert (held(0.03)["resident_mb"], held(0.03)["core_share"]) == (True, False)


def test_a_figure_that_could_not_be_measured_is_a_miss_and_says_so() -> None:
    (verdict,) = judge({"latency": {"serial_to_webhook_ms": {}}})

    assert not verdict.held
    assert "not measured" in str(verdict)


def test_only_parts_that_ran_are_judged_and_every_gate_names_a_part() -> None:
    assert judge({"machine": {}}) == []
    assert {gate.path[0] for gate in GATES} <= set(PARTS)
