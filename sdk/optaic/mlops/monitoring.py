"""Monitors and checks of data and signals that user code can call anywhere: pure functions of frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optaic.mlops.lookahead import validate_no_lookahead
from optaic.mlops.monitoring_alerts import AlertManager
from optaic.mlops.monitors import (
    Check,
    DataDriftMonitor,
    DriftReport,
    PerformanceMonitor,
    PerformanceReport,
    SuiteResult,
    TestSuite,
    reference_of,
)

if TYPE_CHECKING:
    import polars as pl

EXAMPLES = 20

__all__ = [
    "AlertManager",
    "Check",
    "DataDriftMonitor",
    "DriftReport",
    "Issue",
    "PerformanceMonitor",
    "PerformanceReport",
    "Report",
    "SuiteResult",
    "TestSuite",
    "reference_of",
    "validate_data_quality",
    "validate_no_lookahead",
    "validate_signal_bounds",
]


@dataclass(frozen=True)
class Issue:
    """What is wrong: a code, the column, how many rows, and the first keys that show it."""

    code: str
    column: str
    count: int
    message: str
    keys: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Report:
    """The issues of a frame, and how many rows were looked at."""

    rows: int
    issues: tuple[Issue, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no issue."""
        return not self.issues


def validate_signal_bounds(
    rows: "pl.DataFrame", *, column: str = "signal", low: float = -1.0, high: float = 1.0
) -> Report:
    """Every value lies within [low, high], both ends included; a missing, NaN or infinite one does not.

    `rows`: entity, date, the column. Raises ValueError for bounds in the wrong order or an unknown column.
    """
    import polars as pl

    if not low <= high:
        raise ValueError(f"low {low} is above high {high}")
    _require(rows, [column])
    inside = pl.col(column).cast(pl.Float64).is_between(low, high).fill_null(value=False)
    broken = rows.filter(~inside)
    message = f"{broken.height} of {rows.height} rows outside [{low:g}, {high:g}]"
    return Report(rows.height, _issues([("signal.bounds", column, broken, message)]))


def validate_data_quality(
    rows: "pl.DataFrame", *, columns: Sequence[str] | None = None, missing_at_most: float = 0.0
) -> Report:
    """Keys are complete and unique, numbers are finite, columns vary, and few values are missing.

    `rows`: entity, date and, in stored rows, knowledge_date. `columns`: those to look at, all others by
    default. A constant column is an issue from the second row on. `missing_at_most`: share of a column.
    """
    import polars as pl

    key = [name for name in ("entity", "date", "knowledge_date") if name in rows.columns]
    _require(rows, ["entity", "date", *(columns or ())])
    names = list(columns) if columns is not None else [name for name in rows.columns if name not in key]
    incomplete = rows.filter(pl.any_horizontal(pl.col(name).is_null() for name in key))
    repeated = rows.filter(pl.struct(key).is_duplicated())
    found = [
        ("quality.key_missing", key[0], incomplete, f"{incomplete.height} rows have no complete key"),
        ("quality.key_repeated", key[0], repeated, f"{repeated.height} rows share {', '.join(key)}"),
    ]
    for name in names:
        found += _column_issues(rows, name, missing_at_most)
    empty = () if rows.height else (Issue("quality.empty", "", 0, "there are no rows"),)
    return Report(rows.height, (*empty, *_issues(found)))


_Found = tuple[str, str, "pl.DataFrame", str]


def _column_issues(rows: "pl.DataFrame", name: str, missing_at_most: float) -> list[_Found]:
    import polars as pl

    value, is_float = pl.col(name), rows[name].dtype.is_float()
    absent = value.is_null() | value.is_nan() if is_float else value.is_null()
    missing = rows.filter(absent)
    found: list[_Found] = []
    if rows.height and missing.height / rows.height > missing_at_most:
        share = f"{missing.height} of {rows.height} values are missing"
        found.append(("quality.missing", name, missing, share))
    if is_float:
        infinite = rows.filter(value.is_infinite())
        found.append(("quality.infinite", name, infinite, f"{infinite.height} values are infinite"))
    present = rows.filter(~absent)
    if present.height > 1 and present[name].n_unique() == 1:
        found.append(("quality.constant", name, present, "all values are equal"))
    return found


def _issues(found: Sequence[_Found]) -> tuple[Issue, ...]:
    return tuple(
        Issue(code, column, broken.height, message, _keys(broken))
        for code, column, broken, message in found
        if broken.height
    )


def _keys(broken: "pl.DataFrame") -> tuple[dict[str, Any], ...]:
    key = [name for name in ("date", "entity", "knowledge_date") if name in broken.columns]
    return tuple(broken.select(key).sort(key).head(EXAMPLES).iter_rows(named=True))


def _require(rows: "pl.DataFrame", columns: Sequence[str]) -> None:
    unknown = [name for name in columns if name not in rows.columns]
    if unknown:
        raise ValueError(f"there is no column {unknown[0]!r}")
