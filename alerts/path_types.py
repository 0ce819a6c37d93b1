"""What may stand in an address, bounded by what the tables can hold, and said so by OpenAPI."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from alerts.desk import LARGEST_NUMBER

# An incident, report, hand-over or withholding.
Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER)]
