"""The world, the scenario, the faults, and virtual sensors on pseudo-terminals; see README.md."""

from edge.simulator.derivation import PortPlan, derive_community, ports_of
from edge.simulator.program import Program, with_window
from edge.simulator.scenario import (
    Fault,
    FaultKind,
    Play,
    Scenario,
    Truth,
    load_scenario,
    scenario_names,
)
from edge.simulator.world import World

__all__ = [
    "Fault",
    "FaultKind",
    "Play",
    "PortPlan",
    "Program",
    "Scenario",
    "Truth",
    "World",
    "derive_community",
    "load_scenario",
    "ports_of",
    "scenario_names",
    "with_window",
]
