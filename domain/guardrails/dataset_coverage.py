"""`dataset.coverage`: of the expected (date, entity) keys enough have a row with a value."""

from typing import Annotated, Any

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected, and which share of it is enough."""

    role: str | None = None
    """The input that is judged, on its calendar's sessions; None: the output, on the run's decisions."""
    entities: tuple[str, ...] | None = None
    """None: every entity that the rows hold."""
    column: str | None = None
    """Whose value counts; None: a row is enough."""
    at_least: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    nulls: bool = False
    """Whether a row whose value is null counts as covered: null says that it is known to be unknown."""

    def problem(self) -> str | None:
        """An entity may stand once only, and at least one has to."""
        if self.entities is None:
            return None
        if not self.entities:
            return "entities names none"
        return None if len(set(self.entities)) == len(self.entities) else "an entity is named twice"


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """`observed` counts keys: expected, present (a row is there), null (without a value) and missing."""
    expected = measurement.observed.get("expected", 0.0)
    covered = expected - measurement.breaching
    if expected > 0 and covered >= config.at_least * expected - 1e-9:
        return None
    limit: dict[str, Any] = {"role": config.role, "at_least": config.at_least, "nulls": config.nulls}
    null, missing = (measurement.observed.get(name, 0.0) for name in ("null", "missing"))
    return Finding(
        code="dataset.coverage",
        message=f"of {expected:g} expected keys {missing:g} are missing and {null:g} are null"
        if expected
        else "nothing was expected and nothing is there",
        observed=measurement.observed,
        limit=limit,
        rows=measurement.breaching,
        keys=measurement.keys,
    )
