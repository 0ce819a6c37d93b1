"""The result of a scoring run as tables and remarks for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from safety_eye.score.fires import FireScore
from safety_eye.score.floods import Chosen
from safety_eye.score.general import GeneralScore
from safety_eye.score.intervals import Share
from safety_eye.score.measure import OURS
from safety_eye.score.nuisance import NuisanceScore
from safety_eye.score.report import Report, SectionScore
from safety_eye.score.sections import FIRE, QUIET
from safety_eye.score.tally import Figures


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
            lines += _flood_remarks(section)
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
    lines += [_fire_remark(fire) for fire in report.fires]
    if report.nuisance is not None:
        lines += _nuisance_remarks(report.nuisance)
    if report.general is not None:
        lines += _general_remarks(report.general)
    lines += [f"not scored: {why}" for why in report.refused.values()]
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


def _fire_remark(fire: FireScore) -> str:
    times = ", ".join(f"{word} {_plain(second)}" for word, second in fire.clean.items())
    told = f"{fire.recording}, clean air before: {times} s; {fire.false_before} before ignition"
    if fire.first_alarm_s is None:
        return told
    seen = fire.visible_s
    late = seen is None or seen > fire.first_alarm_s
    return (
        f"{told}; first alarm {_plain(fire.first_alarm_s)} s, seen in a judged channel from "
        f"{_plain(seen)} s" + (": no detector of these channels could be in time" if late else "")
    )


def _nuisance_remarks(nuisance: NuisanceScore) -> list[str]:
    lines = [f"nuisance: {nuisance.hours} simulated hours (seed {nuisance.seed}), alarm episodes"]
    for source, told in nuisance.episodes.items():
        grades = ", ".join(f"{grade} {count}" for grade, count in told.items())
        lines.append(f"  {source}: {grades}; up to {nuisance.highest_db_m[source]:.2f} dB/m")
    return lines


def _flood_remarks(section: SectionScore) -> list[str]:
    ours = section.detectors[OURS]
    families = {
        "constant share of the limit": section.constant_share,
        "our own parameters (simulated)": section.own_choice,
    }
    storms = section.constant_share.storms if section.constant_share else 0
    return [
        f"  {ours.events} floods of {storms} storms, {ours.before} warned before the limit",
        *(_chosen_remark(name, one) for name, one in families.items() if one is not None),
    ]


def _chosen_remark(name: str, chosen: Chosen) -> str:
    lead = chosen.median_lead_s
    return (
        f"  {name}, leave-one-storm-out: {chosen.chosen}, median lead "
        f"{'-' if lead is None else f'{lead / 3600:.2f}'} h, "
        f"{_number(chosen.false_per_sensor_month, 3)} false a gauge-month"
    )


def _plain(value: float | str | bool | None) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
