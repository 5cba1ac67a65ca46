"""`model.freshness`: the model was trained not too long before it is used."""

from typing import Annotated, Any

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The most days between `trained_as_of` and the run's `as_of`, inclusive."""

    days: Annotated[float, msgspec.Meta(gt=0)]

    def problem(self) -> str | None:
        """Every form that decodes makes sense."""
        return None


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """The age is known and within the limit."""
    age = measurement.observed.get("age_days")
    if age is not None and age <= config.days:
        return None
    limit: dict[str, Any] = {"days": config.days}
    old = f"the model was trained {age:.4g} days before, the limit is {config.days:g}" if age else ""
    return Finding(
        code="model.freshness",
        message=old or "when the model was trained is not known",
        observed=measurement.observed,
        limit=limit,
    )
