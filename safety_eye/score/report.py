"""The result of a scoring run: as a structure for programs, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from safety_eye.score.floods import ConstantShare, constant_share
from safety_eye.score.general import GeneralScore
from safety_eye.score.intervals import Share, wilson
from safety_eye.score.measure import DETECTORS, OURS, Case, Extra
from safety_eye.score.neighbours import Spikes
from safety_eye.score.nuisance import NuisanceScore
from safety_eye.score.sections import FIRE, FLOOD, QUIET, SECTIONS, STREET
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
    constant_share: ConstantShare | None = None


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
    """

    directory: str
    sections: dict[str, SectionScore]
    recordings: tuple[Scored, ...]
    together: tuple[Spikes, ...]
    refused: dict[str, str]
    nuisance: NuisanceScore | None = None
    general: GeneralScore | None = None


def report_of(
    directory: str,
    cases: Sequence[Case],
    together: Sequence[Spikes],
    refused: dict[str, str],
    nuisance: NuisanceScore | None = None,
    general: GeneralScore | None = None,
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
    return Report(directory, sections, scored, tuple(together), refused, nuisance, general)


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


def print_report(report: Report, console: Console) -> None:
    """Print a table of the sections, then one of the recordings."""
    for title, rows in (("By hazard", _section_rows(report)), ("By recording", _case_rows(report))):
        table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
        for number, name in enumerate(_COLUMNS):
            table.add_column(name, justify="left" if number < 2 else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        console.print()
    for line in _remarks(report):
        console.print(line, markup=False, soft_wrap=True)


_COLUMNS = (
    "what",
    "detector",
    "found",
    "lead",
    "false",
    "/month",
    "precision",
    "recall",
    "F1",
    "NAB std",
    "low FP",
    "low FN",
)


def _section_rows(report: Report) -> list[tuple[str, ...]]:
    return [
        _row(f"{name} ({section.cases})" if detector == OURS else "", detector, figures)
        for name, section in report.sections.items()
        for detector, figures in section.detectors.items()
    ]


def _case_rows(report: Report) -> list[tuple[str, ...]]:
    return [
        _row(one.recording if detector == OURS else "", detector, figures)
        for one in report.recordings
        for detector, figures in one.detectors.items()
    ]


def _row(name: str, detector: str, figures: Figures) -> tuple[str, ...]:
    lead = figures.median_lead_s
    profile = figures.profile
    return (
        name,
        detector,
        f"{figures.found}/{figures.events}" if figures.events else "-",
        _time(lead),
        str(figures.false_alarms),
        _number(figures.false_per_sensor_month, 2),
        _share(figures.precision),
        _share(figures.recall),
        _share(figures.f1),
        _number(profile.standard, 1),
        _number(profile.low_fp, 1),
        _number(profile.low_fn, 1),
    )


def _time(seconds: float | None) -> str:
    """Return a lead in seconds, minutes or hours; negative is a delay."""
    if seconds is None:
        return "-"
    for unit, size in (("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds + 0.0:.0f} s"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(share: Share) -> str:
    if share.value is None or share.low is None or share.high is None:
        return "-"
    return f"{share.value:.2f} ({share.low:.2f}-{share.high:.2f})"


def _remarks(report: Report) -> list[str]:
    lines = []
    for name, section in report.sections.items():
        lines.append(f"{name}: {section.what}")
        if section.extra:
            told = ", ".join(f"{key} {_plain(value)}" for key, value in section.extra.items())
            lines.append(f"  {told}")
        if section.constant_share is not None:
            lines += _flood_remarks(section, section.constant_share)
    for one in report.recordings:
        if one.section in (FIRE.name, QUIET.name):
            told = ", ".join(f"{key} {_plain(value)}" for key, value in one.extra.items())
            lines.append(f"{one.recording}: {told}")
    for spikes in report.together:
        lines.append(
            f"together, {len(spikes.recordings)} stations: {spikes.marked} single-station spikes, "
            f"{spikes.called_fault} called a fault, {spikes.called_smog} called smog; "
            f"{spikes.faults_elsewhere} of {spikes.readings} other readings called a fault"
        )
    if report.nuisance is not None:
        lines += _nuisance_remarks(report.nuisance)
    if report.general is not None:
        lines += _general_remarks(report.general)
    lines += [f"not scored: {path}: {why}" for path, why in report.refused.items()]
    return lines


def _general_remarks(general: GeneralScore) -> list[str]:
    lines = [f"general detector on {general.files} files, {general.windows} windows (NAB)"]
    for name, told in general.profiles.items():
        lines.append(
            f"  {name}: nested by file {told.nested:.1f} (+-{told.nested_deviation:.1f}), as "
            f"shipped without labels {told.budget:.1f}, best on all files {told.protocol:.1f}"
        )
    for order, share in general.quiet_share.items():
        lines.append(f"  quiet readings at p <= 1e-{float(order):.0f}: {share:.5f}")
    return lines


def _nuisance_remarks(nuisance: NuisanceScore) -> list[str]:
    lines = [f"nuisance: {nuisance.hours} simulated hours (seed {nuisance.seed}), alarm episodes"]
    for source, told in nuisance.episodes.items():
        grades = ", ".join(f"{grade} {count}" for grade, count in told.items())
        lines.append(f"  {source}: {grades}; up to {nuisance.highest_db_m[source]:.2f} dB/m")
    return lines


def _flood_remarks(section: SectionScore, share: ConstantShare) -> list[str]:
    ours = section.detectors[OURS]
    lead = share.median_lead_s
    return [
        f"  {ours.events} floods of {share.storms} storms, {ours.before} warned before the limit",
        (
            f"  constant share of the limit, leave-one-storm-out: {share.chosen}, median lead "
            f"{'-' if lead is None else f'{lead / 3600:.2f}'} h, "
            f"{_number(share.false_per_sensor_month, 3)} false a gauge-month"
        ),
    ]


def _plain(value: float | str | bool | None) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
