"""What somebody asks of a demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.configuration import ConfigurationError
from edge.simulator import Scenario, load_scenario, with_window


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the user asked for.

    Attributes:
        scenario: Name of a shipped scenario, or a file.
        speed: Run seconds a wall second; None takes the scenario's own.
        once: End when the last reading is accounted for and the outbox is drained.
        as_json: Print the figures to standard output.
        state: State directory; None makes a temporary one.
        broker: Kind of broker, `embedded` or `mosquitto`.
        language: Language of the printed lines.
        port: Port of the page; 0 takes a free one.
        start, end: Part of a recording that is played (`--from`, `--to`), ISO 8601.
    """

    scenario: str = "cloudburst"
    speed: float | None = None
    once: bool = False
    as_json: bool = False
    state: Path | None = None
    broker: str = "embedded"
    language: str = "en"
    port: int = 8765
    start: str = ""
    end: str = ""


def scenario_of(options: DemoOptions) -> Scenario:
    """Return the scenario, or the part of it, that the user asked for.

    Raises:
        ConfigurationError: There is none of that name, or no such part of it.
    """
    try:
        return with_window(load_scenario(options.scenario), options.start, options.end)
    except ConfigurationError:
        raise
    except ValueError as error:
        raise ConfigurationError(
            "--from, --to", f"{error}; expected a time such as 2015-12-26T00:00:00Z"
        ) from error
