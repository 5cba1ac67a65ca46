"""What a dataset declares of itself when it is created."""

from typing import Annotated, Literal

import msgspec

from domain.shared.ids import Sha256

ColumnType = Literal["float64", "float32", "int64", "int32", "string", "bool", "date", "timestamp"]
RESERVED_COLUMNS = ("entity", "date", "knowledge_date", "seq", "op")


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A value column. `timestamp` is UTC in microseconds."""

    name: Annotated[str, msgspec.Meta(pattern="^[A-Za-z_][A-Za-z0-9_]{0,62}(?!\\n)$")]
    type: ColumnType


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Columns beside the row model's own (entity, date, knowledge_date, seq, op), and how knowledge dates are
    to be read.
    """

    columns: Annotated[tuple[Column, ...], msgspec.Meta(min_length=1, max_length=512)]
    calendar: str | None = None
    """An exchange_calendars name such as XNYS; None for series without sessions."""
    forward_looking: bool = False
    """Rows may be known before their date begins (forecasts)."""
    early_days: Annotated[int, msgspec.Meta(ge=0, le=366)] = 0
    """How many days before its date a row may be known without being a forecast."""
    knowledge_rule: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    """How knowledge dates come about: observed, or by which rule."""
    restated: bool = False
    """History was rewritten by the source (adjusted prices)."""
    survivorship: bool = False
    """The entities are those that survived."""
    description: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    tags: Annotated[tuple[str, ...], msgspec.Meta(max_length=64)] = ()


class DataFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One Parquet file of a version, content-addressed in the dataset store."""

    sha256: Sha256
    rows: int
    size_bytes: int


class Coverage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the rows of a version (with those of its parents) are about."""

    first_date: str | None
    last_date: str | None
    entities: int
    keys: int
