"""`filter.subset`: a filter keeps rows of its input as they are: no new key, no new value, none twice."""

from typing import Annotated, Any

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The input's role, the columns whose values are kept, and how many rows a date must have."""

    role: str
    columns: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=64)] = ("signal",)
    per_date: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """None: any number, also none."""

    def problem(self) -> str | None:
        """A column may stand once only."""
        return None if len(set(self.columns)) == len(self.columns) else "a column is named twice"


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """`observed` counts foreign keys, changed values, repeated keys and dates with another count."""
    wrong = {name: value for name, value in measurement.observed.items() if value > 0}
    if not wrong:
        return None
    limit: dict[str, Any] = {
        "role": config.role,
        "columns": list(config.columns),
        "per_date": config.per_date,
    }
    words = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in sorted(wrong.items()))
    return Finding(
        code="filter.subset",
        message=f"the output is no subset of {config.role}: {words}",
        observed=measurement.observed,
        limit=limit,
        rows=measurement.breaching,
        keys=measurement.keys,
    )
