"""`dataset.schema`: rows have these columns with these types, and one row a (date, entity)."""

from typing import Annotated, Any

import msgspec

from domain.dataset.declaration import ColumnType
from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns beside entity, date and knowledge_date: name → type; in which of them null is a value."""

    columns: Annotated[dict[str, ColumnType], msgspec.Meta(min_length=1)]
    nullable: tuple[str, ...] = ()
    finite: bool = True
    """Whether NaN and infinity are refused."""
    role: str | None = None
    """The input that is judged; None: the output."""

    def problem(self) -> str | None:
        """What may be null has to be a column."""
        strange = sorted(set(self.nullable) - set(self.columns))
        return f"nullable names {strange[0]!r}, which is no column" if strange else None


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """`observed` counts missing columns, other types, repeated keys, rows with a null or without a number."""
    wrong = {name: value for name, value in measurement.observed.items() if value > 0}
    if not wrong:
        return None
    limit: dict[str, Any] = {
        "role": config.role,
        "columns": dict(config.columns),
        "nullable": list(config.nullable),
        "finite": config.finite,
    }
    words = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in sorted(wrong.items()))
    return Finding(
        code="dataset.schema",
        message=f"{config.role or 'the output'} is not of the declared form: {words}",
        observed=measurement.observed,
        limit=limit,
        rows=measurement.breaching,
        keys=measurement.keys,
    )
