"""`signal.bounds`: every value of a column lies in [low, high]."""

from typing import Any

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The column and its bounds, both inclusive."""

    column: str = "signal"
    low: float = -1.0
    high: float = 1.0

    def problem(self) -> str | None:
        """Why this config makes no sense, if it does not."""
        return None if self.low <= self.high else f"low {self.low} is above high {self.high}"


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """No value outside; null, NaN and a missing column count as outside."""
    if measurement.breaching == 0:
        return None
    limit: dict[str, Any] = {"low": config.low, "high": config.high}
    return Finding(
        code="signal.bounds",
        message=f"{measurement.breaching} of {measurement.rows} rows have {config.column} missing or outside "
        f"[{config.low:g}, {config.high:g}]",
        observed=measurement.observed,
        limit=limit,
        rows=measurement.breaching,
        keys=measurement.keys,
    )
