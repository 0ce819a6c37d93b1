"""The world, the scenario, the faults, and virtual sensors on pseudo-terminals."""
