"""`dataset.pit`: no row was known after the moment that it is used at, and none before its own date."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rows are judged, and how early a row about a date may be known (R8)."""

    role: str | None = None
    """The input that is judged, at the run's `as_of`; None: the output, each row at its decision time."""
    forward_looking: bool = False
    early_days: Annotated[int, msgspec.Meta(ge=0, le=366)] = 0
    zone: str = "UTC"
    """Where a date begins."""

    def problem(self) -> str | None:
        """The zone has to be known."""
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            return f"{self.zone!r} is not a known time zone"
        return None


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """No row known too late, none known too early, none on a date without a decision."""
    if measurement.breaching == 0:
        return None
    limit: dict[str, Any] = {
        "role": config.role,
        "forward_looking": config.forward_looking,
        "early_days": config.early_days,
    }
    wrong = {name: value for name, value in measurement.observed.items() if value > 0}
    words = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in sorted(wrong.items()))
    return Finding(
        code="dataset.pit",
        message=f"{measurement.breaching} of {measurement.rows} rows break point in time: {words}",
        observed=measurement.observed,
        limit=limit,
        rows=measurement.breaching,
        keys=measurement.keys,
    )
