"""Changes, answers and what a killed start left behind, as records for the hub."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from core.act import ActEvent, LocalAct, Why
from core.command import Command
from edge.acting.machine import Change
from edge.acting.post import OutputPost
from edge.chronometer import Instant

LOG = logging.getLogger(__name__)


class Recorder:
    """Numbers and words the acts of one boot.

    Args:
        boot: This boot's id.
        mandate: Who allowed what is done without asking.
    """

    def __init__(self, boot: str, mandate: str) -> None:
        self.boot = boot
        self._mandate = mandate
        self._made = 0

    def changes(
        self, post: OutputPost, changes: Sequence[Change], instant: Instant, *, alone: bool
    ) -> list[LocalAct]:
        """Return the records of what changed at an output; a run is named by its `on`."""
        acts = []
        for change in changes:
            name = self._name()
            if change.event is ActEvent.ON:
                post.run = name
            acts.append(self._change(post, change, name, instant, alone=alone))
            LOG.warning("output %s: %s (%s)", post.entry.id, change.event, change.why)
            if change.event is ActEvent.OFF:
                post.run = ""
        return acts

    def answer(self, command: Command, problem: str, instant: Instant) -> LocalAct:
        """Return what became of a command: carried out, or *problem*."""
        return LocalAct(
            id=self._name(),
            boot=self.boot,
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

    def killed(self, began: LocalAct, instant: Instant) -> LocalAct:
        """Return the end of a run whose program was killed: known is only that it is off by now."""
        return msgspec.structs.replace(
            began,
            id=self._name(),
            boot=self.boot,
            at=instant.at,
            sync=instant.sync,
            elapsed_ms=instant.elapsed_ms,
            event=ActEvent.OFF,
            why=Why.KILLED,
            run=began.id,
            sounded=None,
        )

    def _change(
        self, post: OutputPost, change: Change, name: str, instant: Instant, *, alone: bool
    ) -> LocalAct:
        demand = change.demand
        return LocalAct(
            id=name,
            boot=self.boot,
            at=instant.at,
            sync=instant.sync,
            elapsed_ms=instant.elapsed_ms,
            output=post.entry.id,
            event=change.event,
            why=change.why,
            run=post.run,
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
            mandate="" if demand.manual else self._mandate,
            detail=post.fault if change.event is ActEvent.FAILED else "",
        )

    def _name(self) -> str:
        self._made += 1
        return f"{self.boot}-{self._made}"
