"""What is measured on an output or an input: form, point in time, age and coverage."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl

from application.ports import MeasuredInput, MeasuredRun
from domain.guardrails import dataset_coverage, dataset_freshness, dataset_pit, dataset_schema
from infrastructure.guardrail_measures.figures import (
    TYPES,
    Figures,
    first_keys,
    is_number,
    is_valued,
    repeated,
)

_MOMENT = pl.Datetime("us", "UTC")


def schema(config: dataset_schema.Config, output: pl.DataFrame, run: MeasuredRun) -> Figures | None:
    """Missing columns, other types, repeated keys, nulls where none may be, values that are no number."""
    rows = _rows_of(config.role, output, run)
    if rows is None:
        return None
    present = [name for name in config.columns if name in rows.columns]
    other = [name for name in present if rows.schema[name] != TYPES[config.columns[name]]]
    twice = repeated(rows)
    filled = [name for name in present if name not in config.nullable]
    floats = [name for name in present if config.finite and rows.schema[name].is_float()]
    never = pl.lit(value=False)
    marked = rows.select(
        "date",
        "entity",
        _twice=twice,
        _null=pl.any_horizontal(never, *(pl.col(name).is_null() for name in filled)),
        _odd=pl.any_horizontal(never, *(pl.col(name).is_not_null() & ~is_number(name) for name in floats)),
    )
    observed = {
        "missing_columns": float(len(config.columns) - len(present)),
        "columns_of_another_type": float(len(other)),
        "rows_with_a_repeated_key": float(marked["_twice"].sum()),
        "rows_with_a_null": float(marked["_null"].sum()),
        "rows_with_an_infinite_value": float(marked["_odd"].sum()),
    }
    broken = marked.filter(pl.col("_twice") | pl.col("_null") | pl.col("_odd"))
    return Figures(broken.height, observed, first_keys(broken), rows.height)


def pit(config: dataset_pit.Config, output: pl.DataFrame, run: MeasuredRun) -> Figures | None:
    """Rows known after the moment of their use, rows known before their date, rows on no decision."""
    rows = _rows_of(config.role, output, run)
    if rows is None or rows.schema.get("knowledge_date") != _MOMENT:
        return None
    moments = _moments(config.role, rows, run)
    if moments is None:
        return None
    known, moment = pl.col("knowledge_date"), pl.col("_moment")
    begins = pl.col("date").dt.offset_by(f"-{config.early_days}d").cast(pl.Datetime("us"))
    begins = begins.dt.replace_time_zone(
        config.zone, ambiguous="earliest", non_existent="null"
    ).dt.convert_time_zone("UTC")
    marked = rows.select("date", "entity", "knowledge_date").with_columns(_moment=moments)
    marked = marked.select(
        "date",
        "entity",
        _late=(known > moment).fill_null(value=False),
        _off=moment.is_null() | known.is_null(),
        _early=(known < begins).fill_null(value=False) & pl.lit(not config.forward_looking),
    )
    broken = marked.filter(pl.col("_late") | pl.col("_off") | pl.col("_early"))
    observed = {
        "rows_known_too_late": float(marked["_late"].sum()),
        "rows_known_before_their_date": float(marked["_early"].sum()),
        "rows_on_no_decision": float(marked["_off"].sum()),
    }
    return Figures(broken.height, observed, first_keys(broken), rows.height)


def _moments(role: str | None, rows: pl.DataFrame, run: MeasuredRun) -> pl.Series | None:
    """When each row is used: an input at the run's `as_of`, an output's row at its decision."""
    if role is not None:
        return None if run.as_of is None else pl.repeat(run.as_of, rows.height, dtype=_MOMENT, eager=True)
    if run.decisions is None:
        return None
    days, moments = list(run.decisions), list(run.decisions.values())
    return rows["date"].replace_strict(
        pl.Series(days, dtype=pl.Date), pl.Series(moments, dtype=_MOMENT), default=None, return_dtype=_MOMENT
    )


def freshness(config: dataset_freshness.Config, _output: pl.DataFrame, run: MeasuredRun) -> Figures | None:
    """Sessions that closed after the input's newest date, up to the run's `as_of`."""
    source = run.inputs.get(config.role)
    if source is None or source.sessions is None or run.as_of is None:
        return None
    newest = source.rows()["date"].max()
    if not isinstance(newest, date):
        return Figures(1, {})
    closed = _closed(source, newest, run.as_of)
    age = sum(day > newest for day in closed)
    return Figures(int(age > config.sessions), {"age_sessions": float(age)}, (f"{newest}/",))


def coverage(config: dataset_coverage.Config, output: pl.DataFrame, run: MeasuredRun) -> Figures | None:
    """Of dates × entities: keys with a row, with a row without a value, without a row."""
    rows = _rows_of(config.role, output, run)
    dates = None if rows is None else _expected_dates(config.role, rows, run)
    if rows is None or dates is None:
        return None
    names = config.entities if config.entities is not None else rows["entity"].unique().to_list()
    days = pl.Series("date", dates, dtype=pl.Date).unique()
    entities = pl.Series("entity", names, dtype=pl.String)
    valued = pl.lit(value=True) if config.column is None else pl.lit(value=False)
    if config.column in rows.columns:
        valued = is_valued(rows, config.column)
    there = rows.select("date", "entity", _valued=valued).filter(
        pl.col("date").is_in(days.implode()) & pl.col("entity").is_in(entities.implode())
    )
    there = there.unique(["date", "entity"]) if repeated(there).any() else there
    null = there.filter(~pl.col("_valued"))
    expected = days.len() * entities.len()
    missing = expected - there.height
    absent = null if not config.nulls else null.clear()
    broken = absent.select("date", "entity")
    if missing:
        grid = days.to_frame().join(entities.to_frame(), how="cross")
        broken = pl.concat([broken, grid.join(there, on=["date", "entity"], how="anti")])
    observed = {"expected": expected, "present": there.height, "null": null.height, "missing": missing}
    figures = {name: float(value) for name, value in observed.items()}
    return Figures(broken.height, figures, first_keys(broken), rows.height)


def _expected_dates(role: str | None, rows: pl.DataFrame, run: MeasuredRun) -> Sequence[date] | None:
    """The decisions of an output; of an input its sessions from its first row on, else the rows' dates."""
    if role is None:
        return None if run.decisions is None else list(run.decisions)
    source, first = run.inputs[role], rows["date"].min()
    if source.sessions is None or run.as_of is None or not isinstance(first, date):
        return rows["date"].unique().to_list()
    return _closed(source, first, run.as_of)


def _closed(source: MeasuredInput, first: date, as_of: datetime) -> list[date]:
    """Sessions from `first` on that closed by `as_of`."""
    assert source.sessions is not None
    last = as_of.astimezone(UTC).date()
    if last < first:
        return []
    return [day for day, close in source.sessions(first, last) if close <= as_of]


def _rows_of(role: str | None, output: pl.DataFrame, run: MeasuredRun) -> pl.DataFrame | None:
    if role is None:
        return output
    source = run.inputs.get(role)
    return None if source is None else source.rows()
