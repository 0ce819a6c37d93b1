"""What a station may do alone, in plain words, for who checks the file."""

from __future__ import annotations

from collections.abc import Sequence

from core.clock import Clock, RunClock
from edge.acting.duties import mandate_holds, mandate_words
from edge.acting.settings import ActEntry, ButtonEntry, CommandEntry, Mandate, OutputEntry


def describe_acting(
    mandate: Mandate | None,
    outputs: Sequence[OutputEntry],
    acts: Sequence[ActEntry],
    buttons: Sequence[ButtonEntry],
    command: CommandEntry,
    clock: Clock | None = None,
) -> list[str]:
    """Return what the station may switch, when, and who allowed it; empty if nothing."""
    lines = []
    if mandate is not None:
        lines.append(f"  mandate: {mandate_words(mandate)}: {mandate.text}")
        why = mandate_holds(mandate, (clock or RunClock()).now_ms(), sync=True)
        if why is not None:
            lines.append(f"  advice: {why.replace('-', ' ')}: THIS STATION DOES NOT ACT ALONE")
    lines += [_output_words(output) for output in outputs]
    lines += [_act_words(act) for act in acts]
    lines += [
        f"  button {entry.sensor}: {entry.action} {entry.output or 'every output'}"
        for entry in buttons
    ]
    if outputs and not command.key_file:
        lines.append("  advice: no [command] key_file: the hub can neither test nor silence it")
    lines += [
        f"  advice: output {output.id} has no feedback: nobody knows whether it sounds"
        for output in outputs
        if output.feedback is None
    ]
    return lines


def _output_words(output: OutputEntry) -> str:
    words = f"  output {output.id:<12} {output.kind}, runs at most {output.max_run_s:g} s"
    if output.dead_man is not None:
        words += f", {output.dead_man.kind} of {output.dead_man.hold_s:g} s"
    return words + (", could do harm" if output.harmful else "")


def _act_words(act: ActEntry) -> str:
    after = f" for {act.delay_ms / 1000:g} s" if act.delay_ms else ""
    if act.when == "hub-silent":
        return (
            f"  act    {act.output:<12} when the hub is silent{after} while it warns of {act.zone}"
            f" at {act.grade} or worse"
        )
    when = "at once, hub or no hub" if act.when == "at-once" else f"when the hub is gone{after}"
    return f"  act    {act.output:<12} {act.quantity} in {act.zone} at {act.grade} or worse: {when}"
