"""What a probe has seen, as lines for people and as JSON for programs."""

from __future__ import annotations

from edge.decode import shown_lines
from edge.probe import Report


def told(report: Report, port: str) -> list[str]:
    """Return a report as lines for people."""
    lines = []
    for one in report.candidates:
        where = f"{one.baud} baud" + (f", address {one.address}" if one.address else "")
        facts = one.facts
        doubt = "" if facts.verified else " [profile not verified]"
        lines.append(f"{one.driver}: {one.confidence} ({where}): {facts.title}{doubt}")
        lines.append(f"    {one.why}")
        values = ", ".join(
            f"{line['name']} {line['value']} {line['unit']}"
            + ("" if line["quality"] == "good" else f" ({line['quality']})")
            for line in shown_lines(one.driver, one.shown)[:6]
        )
        if values:
            lines.append(f"    {values}")
    unknown = sorted(report.slaves.keys() - {one.address for one in report.candidates})
    lines += [
        f"slave {address} answers at {report.slaves[address]} baud, and is none of the known "
        "devices: driver modbus_registers, with a profile from its sheet"
        for address in unknown
    ]
    lines += report.notes
    return lines or [f"{port}: nothing"]


def as_json(report: Report, port: str) -> dict[str, object]:
    """Return a report for programs."""
    return {
        "port": port,
        "heard": [{"baud": baud, "bytes": len(data)} for baud, data in report.heard.items()],
        "asked": report.asked,
        "slaves": [{"address": key, "baud": baud} for key, baud in sorted(report.slaves.items())],
        "candidates": [
            {
                "driver": one.driver,
                "confidence": str(one.confidence),
                "why": one.why,
                "baud": one.baud,
                "address": one.address or None,
                "frames": one.frames,
                "explained": round(one.explained, 3),
                "verified": one.facts.verified,
                "values": list(shown_lines(one.driver, one.shown)),
            }
            for one in report.candidates
        ],
        "notes": report.notes,
    }
