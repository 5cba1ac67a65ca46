"""`signal.schema`: the output has these columns with these types, no nulls, and one row a (date, entity)."""

from typing import Annotated, Any

import msgspec

from domain.dataset.declaration import ColumnType
from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns beside date and entity: name → type; `nulls` allows missing values in them."""

    columns: Annotated[dict[str, ColumnType], msgspec.Meta(min_length=1)]
    nulls: bool = False

    def problem(self) -> str | None:
        """Every form that decodes makes sense."""
        return None


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """`observed` counts missing columns, columns of another type, repeated keys and rows with a null."""
    wrong = {name: value for name, value in measurement.observed.items() if value > 0}
    if not wrong:
        return None
    limit: dict[str, Any] = {"columns": dict(config.columns), "nulls": config.nulls}
    words = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in sorted(wrong.items()))
    return Finding(
        code="signal.schema",
        message=f"the output is not of the declared form: {words}",
        observed=measurement.observed,
        limit=limit,
        rows=measurement.breaching,
        keys=measurement.keys,
    )
