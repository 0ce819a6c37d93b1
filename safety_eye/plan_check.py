"""The lint of plans with everything that a site gives it: registers, channels, ladders, today."""

from __future__ import annotations

from alerts.database import Database
from alerts.ladder import ladders
from alerts.plan_lint import Lint, LintFinding
from alerts.register import today
from alerts.register_file import Registers
from alerts.register_store import RegisterStore
from alerts.response import Response, Supply
from core.community import Community
from safety_eye.hub import HubConfig


def kept_registers(
    database: Database, community: Community, written: tuple[Supply, ...]
) -> Registers:
    """Return a hub's registers; stocks that it has not taken up yet are as written."""
    store = RegisterStore(database, community.site.id)
    supplies = {supply.id: supply for supply in (*written, *store.supplies())}
    return Registers(tuple(store.volunteers()), tuple(supplies.values()))


def lint_plans(
    plans: Response,
    community: Community,
    registers: Registers,
    config: HubConfig | None,
    now_wall_ms: int,
) -> list[LintFinding]:
    """Return what would fail in the night.

    Args:
        plans: The file.
        community: The profile.
        registers: Who and what there is.
        config: Whose channels and ladders hold; None leaves those rules out.
        now_wall_ms: For what is due, wall time (ms).
    """
    return Lint(
        plans,
        community,
        registers.volunteer,
        registers.supply,
        today(now_wall_ms, community.site.timezone),
        {entry.name for entry in config.channel} if config is not None else None,
        ladders=ladders(config.escalation) if config is not None else None,
    ).run()
