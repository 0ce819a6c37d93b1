"""The result of a scoring run as a structure; `printing` makes tables of it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from safety_eye.score.fires import FireScore
from safety_eye.score.floods import Chosen, constant_share, own_choice
from safety_eye.score.general import GeneralScore
from safety_eye.score.intervals import wilson
from safety_eye.score.measure import DETECTORS, OURS, Case, Extra
from safety_eye.score.neighbours import Spikes
from safety_eye.score.nuisance import NuisanceScore
from safety_eye.score.sections import FIRE, FLOOD, SECTIONS, STREET
from safety_eye.score.tally import Figures, sum_of


class ChannelScore(msgspec.Struct, frozen=True):
    """One case: a channel, or the channels that share their marks."""

    channels: tuple[str, ...]
    detectors: dict[str, Figures]


class Scored(msgspec.Struct, frozen=True):
    """One recording under one section, the sum of its cases."""

    recording: str
    section: str
    cases: tuple[ChannelScore, ...]
    detectors: dict[str, Figures]
    extra: Extra


class SectionScore(msgspec.Struct, frozen=True):
    """All cases of one hazard together."""

    what: str
    cases: int
    detectors: dict[str, Figures]
    extra: Extra
    constant_share: Chosen | None = None
    own_choice: Chosen | None = None


class Report(msgspec.Struct, frozen=True):
    """Everything that a scoring run found.

    Attributes:
        directory: What was scored.
        sections: By hazard.
        recordings: By recording and hazard.
        together: Networks of stations.
        refused: Files that could not be scored, and why.
        nuisance: Simulated hours of what is not a fire, where they were asked for.
        general: The general detector on the benchmark, where enough of its files are there.
        fires: Fire tests as recorded and with clean air before them.
    """

    directory: str
    sections: dict[str, SectionScore]
    recordings: tuple[Scored, ...]
    together: tuple[Spikes, ...]
    refused: dict[str, str]
    nuisance: NuisanceScore | None = None
    general: GeneralScore | None = None
    fires: tuple[FireScore, ...] = ()


def report_of(
    directory: str,
    cases: Sequence[Case],
    together: Sequence[Spikes],
    refused: dict[str, str],
    nuisance: NuisanceScore | None = None,
    general: GeneralScore | None = None,
    fires: Sequence[FireScore] = (),
) -> Report:
    """Return the report of all *cases*."""
    sections = {}
    for section in SECTIONS:
        mine = [case for case in cases if case.section == section.name]
        if not mine:
            continue
        sections[section.name] = SectionScore(
            section.what,
            len(mine),
            {name: sum_of(case.tallies[name] for case in mine).figures() for name in DETECTORS},
            _summed(section.name, mine),
            constant_share(mine) if section is FLOOD else None,
            own_choice(mine) if section is FLOOD else None,
        )
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.recording, case.section), []).append(case)
    scored = tuple(
        Scored(
            recording,
            section,
            tuple(_channel(case) for case in mine),
            {name: sum_of(case.tallies[name] for case in mine).figures() for name in DETECTORS},
            mine[0].extra if len(mine) == 1 else _summed(section, mine),
        )
        for (recording, section), mine in groups.items()
    )
    return Report(
        directory, sections, scored, tuple(together), refused, nuisance, general, tuple(fires)
    )


def _channel(case: Case) -> ChannelScore:
    figures = {name: tally.figures() for name, tally in case.tallies.items()}
    return ChannelScore(case.channels, figures)


def _summed(section: str, cases: Sequence[Case]) -> Extra:
    """Return the extra figures of a section: counts are added, times are not."""
    total: Extra = {}
    for case in cases:
        for name, value in case.extra.items():
            if isinstance(value, bool):
                total[name] = int(total.get(name) or 0) + value
                total[f"{name}_of"] = int(total.get(f"{name}_of") or 0) + 1
            elif isinstance(value, int) and section != FIRE.name:
                total[name] = int(total.get(name) or 0) + value
    right, wrong = total.get("level_right"), total.get("level_wrong")
    if isinstance(right, int) and isinstance(wrong, int):
        total["level_precision"] = wilson(right, right + wrong).value
    found, marked = total.get("level_found"), total.get("level_marked")
    if isinstance(found, int) and isinstance(marked, int):
        total["level_recall"] = wilson(found, marked).value
    if section == STREET.name:
        delays = [
            -lead for case in cases for lead in case.tallies[OURS].leads_s if lead is not None
        ]
        total["median_delay_s"] = median(delays) if delays else None
        total["longest_delay_s"] = max(delays, default=None)
    return total
