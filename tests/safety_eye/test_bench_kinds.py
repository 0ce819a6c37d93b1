"""Memory of a series is the same on every machine, so that a test may hold it; time is not."""

from __future__ import annotations

import pytest

from core.quantity import Quantity
from safety_eye.bench.kinds import bytes_per_series, settings_of


@pytest.mark.parametrize("quantity", Quantity)
def test_a_series_of_any_kind_with_all_of_its_detectors_fits_in_two_kilobytes(
    quantity: Quantity,
) -> None:
    dearest = max(bytes_per_series(community) for community in settings_of(quantity))

    assert dearest <= 2048.0
