"""`regime.probabilities`: probabilities lie in [0, 1] and sum to 1 within a tolerance."""

from typing import Annotated, Any

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The probability columns and how far their sum may be from 1."""

    columns: Annotated[tuple[str, ...], msgspec.Meta(min_length=2, max_length=64)]
    tolerance: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 1e-6

    def problem(self) -> str | None:
        """A column may stand once only."""
        return None if len(set(self.columns)) == len(self.columns) else "a column is named twice"


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """No row whose probabilities are missing, outside [0, 1] or do not sum to 1."""
    if measurement.breaching == 0:
        return None
    limit: dict[str, Any] = {"columns": list(config.columns), "tolerance": config.tolerance}
    return Finding(
        code="regime.probabilities",
        message=f"{measurement.breaching} of {measurement.rows} rows are not probabilities that sum to 1 "
        f"within {config.tolerance:g}",
        observed=measurement.observed,
        limit=limit,
        rows=measurement.breaching,
        keys=measurement.keys,
    )
