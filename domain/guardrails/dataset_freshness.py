"""`dataset.freshness`: an input's newest row is not too many sessions old at the run's `as_of`."""

from typing import Annotated, Any

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The input's role and its age limit in sessions of its calendar, inclusive."""

    role: str
    sessions: Annotated[int, msgspec.Meta(ge=0)]

    def problem(self) -> str | None:
        """Every form that decodes makes sense."""
        return None


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """The age is known and within the limit; an input without any row has no age."""
    limit: dict[str, Any] = {"role": config.role, "sessions": config.sessions}
    age = measurement.observed.get("age_sessions")
    if age is not None and age <= config.sessions:
        return None
    old = f"{config.role} is {age:g} sessions old, the limit is {config.sessions}" if age is not None else ""
    return Finding(
        code="dataset.freshness",
        message=old or f"{config.role} holds no row",
        observed=measurement.observed,
        limit=limit,
        keys=measurement.keys,
    )
