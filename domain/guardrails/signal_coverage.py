"""`signal.coverage`: each date has a row with a value for enough of the entities."""

from typing import Annotated, Any

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entities are expected on a date, and which share of them is enough."""

    entities: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many; None: as many as the first input holds."""
    universe: str | None = None
    """The role of the input that lists the entities: who is on it is read as of each decision (R11)."""
    at_least: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    column: str | None = None
    """Count only rows whose value in this column is not missing."""

    def problem(self) -> str | None:
        """Either a number or a list."""
        both = self.entities is not None and self.universe is not None
        return "entities and universe are both given" if both else None


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """No date below the share; an output without any date breaks the contract too."""
    dates = measurement.observed.get("dates", 0.0)
    if dates > 0 and measurement.breaching == 0:
        return None
    limit: dict[str, Any] = {
        "entities": measurement.observed.get("expected", 0.0),
        "universe": config.universe,
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
