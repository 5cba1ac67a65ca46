"""`signal.coverage`: each date has a row with a value for enough of the entities."""

from typing import Annotated, Any

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entities expected a date (None: as many as the run's inputs hold) and which share is enough."""

    entities: Annotated[int, msgspec.Meta(ge=1)] | None = None
    at_least: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    column: str | None = None
    """Count only rows whose value in this column is not missing."""

    def problem(self) -> str | None:
        """Every form that decodes makes sense."""
        return None


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """No date below the share; an output without any date breaks the contract too."""
    dates = measurement.observed.get("dates", 0.0)
    if dates > 0 and measurement.breaching == 0:
        return None
    limit: dict[str, Any] = {
        "entities": measurement.observed.get("expected", 0.0),
        "at_least": config.at_least,
    }
    short = (
        f"{measurement.breaching} of {dates:g} dates cover too few entities"
        if dates
        else "there is no row at all"
    )
    return Finding(
        code="signal.coverage",
        message=short,
        observed=measurement.observed,
        limit=limit,
        rows=measurement.breaching,
        keys=measurement.keys,
    )
