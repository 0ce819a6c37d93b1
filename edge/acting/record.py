"""Changes, answers and what a killed start left behind, as records for the hub. Pure."""

from __future__ import annotations

import msgspec

from core.act import ActEvent, LocalAct, Why
from core.command import Command
from edge.acting.machine import Change
from edge.chronometer import Instant


def act_of(
    change: Change,
    name: str,
    run: str,
    instant: Instant,
    boot: str,
    output: str,
    *,
    alone: bool,
    mandate: str,
    fault: str,
) -> LocalAct:
    """Return the record of a change of *output*."""
    demand = change.demand
    return LocalAct(
        id=name,
        boot=boot,
        at=instant.at,
        sync=instant.sync,
        elapsed_ms=instant.elapsed_ms,
        output=output,
        event=change.event,
        why=change.why,
        run=run,
        alone=alone,
        sounded=change.sounded,
        zone=demand.zone,
        hazard=demand.hazard,
        grade=demand.grade,
        sensor=demand.sensor,
        quantity=demand.quantity,
        value=demand.value,
        unit=demand.unit,
        limit=demand.limit,
        by=demand.by,
        command=demand.order,
        mandate="" if demand.manual else mandate,
        detail=fault if change.event is ActEvent.FAILED else "",
    )


def answer_of(name: str, instant: Instant, boot: str, command: Command, problem: str) -> LocalAct:
    """Return what became of a command: carried out, or *problem*."""
    return LocalAct(
        id=name,
        boot=boot,
        at=instant.at,
        sync=instant.sync,
        elapsed_ms=instant.elapsed_ms,
        output=command.output,
        event=ActEvent.ANSWER,
        why=Why.ORDERED,
        by=command.by,
        command=command.nonce,
        detail=problem[:400],
    )


def killed_of(began: LocalAct, name: str, instant: Instant, boot: str) -> LocalAct:
    """Return the end of a run whose program was killed: known is only that it is off by now."""
    return msgspec.structs.replace(
        began,
        id=name,
        boot=boot,
        at=instant.at,
        sync=instant.sync,
        elapsed_ms=instant.elapsed_ms,
        event=ActEvent.OFF,
        why=Why.KILLED,
        run=began.id,
        sounded=None,
    )
