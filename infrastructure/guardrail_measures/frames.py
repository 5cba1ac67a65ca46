"""What is measured on an output's rows alone: from a frame (date, entity, columns) to figures."""

import math
from itertools import pairwise

import polars as pl

from application.ports import MeasuredRun
from domain.guardrails import (
    regime_labels,
    regime_probabilities,
    relevance_scores,
    signal_bounds,
    signal_coverage,
    signal_schema,
)
from domain.guardrails.history import UNIVERSE_UNCHANGED
from infrastructure.guardrail_measures.figures import (
    KEYS_SHOWN,
    TYPES,
    Figures,
    extremes,
    first_keys,
    is_number,
    is_valued,
    repeated,
)
from infrastructure.guardrail_measures.matching import keys_of, places_of
from infrastructure.guardrail_measures.universe import members


def bounds(config: signal_bounds.Config, frame: pl.DataFrame, _run: MeasuredRun) -> Figures:
    """Rows whose value is missing or outside [low, high]; a missing column breaks every row, at least one."""
    if config.column not in frame.columns or not frame.schema[config.column].is_numeric():
        return _broken_column(frame)
    values = pl.col(config.column).cast(pl.Float64)
    inside = values.is_between(config.low, config.high) & values.is_not_nan()
    broken = frame.filter(~inside.fill_null(value=False))
    return Figures(broken.height, extremes(frame[config.column]), first_keys(broken))


def schema(config: signal_schema.Config, frame: pl.DataFrame, _run: MeasuredRun) -> Figures:
    """Missing columns, other types, repeated (date, entity), rows with a null."""
    missing = [name for name in config.columns if name not in frame.columns]
    other = [
        name
        for name, kind in config.columns.items()
        if name in frame.columns and frame.schema[name] != TYPES[kind]
    ]
    twice = frame.filter(repeated(frame))
    present = [name for name in config.columns if name in frame.columns]
    nulls = (
        frame.clear()
        if config.nulls or not present
        else frame.filter(pl.any_horizontal(pl.col(present).is_null()))
    )
    observed = {
        "missing_columns": float(len(missing)),
        "columns_of_another_type": float(len(other)),
        "rows_with_a_repeated_key": float(twice.height),
        "rows_with_a_null": float(nulls.height),
    }
    return Figures(twice.height + nulls.height, observed, first_keys(pl.concat([twice, nulls])))


def coverage(config: signal_coverage.Config, frame: pl.DataFrame, run: MeasuredRun) -> Figures | None:
    """Dates, those of the run's decisions too, on which fewer than `at_least` of the expected entities have
    a value.
    """
    if config.universe is not None:
        return _of_universe(config, config.universe, frame, run)
    wanted = config.entities if config.entities is not None else run.entities
    if config.column is not None and config.column not in frame.columns:
        return Figures(1, {"dates": 0.0, "expected": float(wanted or 0)})
    valued = frame if config.column is None else frame.with_columns(_valued=is_valued(frame, config.column))
    counted = pl.col("entity") if config.column is None else pl.col("entity").filter(pl.col("_valued"))
    dates = _with_every_decision(valued.group_by("date").agg(entities=counted.n_unique()), run)
    target = wanted if wanted is not None else max(dates["entities"].to_list(), default=0)
    needed = max(math.ceil(target * config.at_least - 1e-9), 1)
    short = dates.filter(pl.col("entities") < needed)
    observed = {"dates": float(dates.height), "expected": float(target)}
    if dates.height:
        counts = dates["entities"].to_list()
        observed |= {"minimum": float(min(counts)), "maximum": float(max(counts))}
    keys = tuple(f"{day}/" for day in short["date"].head(KEYS_SHOWN).to_list())
    return Figures(short.height, observed, keys)


def _of_universe(
    config: signal_coverage.Config, role: str, frame: pl.DataFrame, run: MeasuredRun
) -> Figures | None:
    """The same where the entities of each decision are on a list; rows of others count for nothing."""
    source = run.inputs.get(role)
    if source is None or source.revisions is None or run.decisions is None:
        return None
    listed = members(source.revisions(), run.decisions)
    valued = keys_of(_valued(frame, config.column), listed.schema["entity"])
    place = places_of(valued, keys_of(listed, listed.schema["entity"]))
    absent = pl.repeat(value=True, n=listed.height, eager=True).scatter(place.drop_nulls(), values=False)
    wanted = listed.with_columns(_absent=absent)
    missing = wanted.filter("_absent").select("date", "entity")
    expected = wanted.group_by("date").agg(expected=pl.len(), absent=pl.col("_absent").sum())
    dates = (
        pl.DataFrame({"date": list(run.decisions)}, schema={"date": pl.Date()})
        .join(expected, on="date", how="left")
        .with_columns(pl.col("expected", "absent").fill_null(0).cast(pl.Int64))
        .with_columns(present=pl.col("expected") - pl.col("absent"))
    )
    needed = (pl.col("expected") * config.at_least - 1e-9).ceil().clip(lower_bound=1)
    short = dates.filter(pl.col("present") < needed)
    observed = {"dates": float(dates.height), "expected": float(sum(dates["expected"].to_list()))}
    observed["missing"] = float(missing.height)
    if len(run.decisions) > 1 and 0 < listed.height == listed["entity"].n_unique() * len(run.decisions):
        observed[UNIVERSE_UNCHANGED] = 1.0
    observed["outside_the_universe"] = float(place.null_count())
    return Figures(short.height, observed, first_keys(missing.join(short, on="date", how="semi")))


def _valued(frame: pl.DataFrame, column: str | None) -> pl.DataFrame:
    """date and entity of the rows that count: those with a value; none where the column is not there."""
    keys = frame.select("date", "entity")
    if column is None:
        return keys
    if column not in frame.columns:
        return keys.clear()
    return keys.filter(frame.select(is_valued(frame, column)).to_series())


def _with_every_decision(dates: pl.DataFrame, run: MeasuredRun) -> pl.DataFrame:
    """Add the decisions that no row is about, with no entity."""
    expected = pl.Series("date", list(run.decisions or ()), dtype=pl.Date).to_frame()
    absent = expected.join(dates, on="date", how="anti").with_columns(entities=pl.lit(0, dtype=pl.UInt32))
    return pl.concat([dates.cast({"entities": pl.UInt32}), absent]).sort("date")


def probabilities(config: regime_probabilities.Config, frame: pl.DataFrame, _run: MeasuredRun) -> Figures:
    """Rows whose probabilities are missing, outside [0, 1] or do not sum to 1."""
    if any(name not in frame.columns or not frame.schema[name].is_numeric() for name in config.columns):
        return _broken_column(frame)
    columns = [pl.col(name).cast(pl.Float64) for name in config.columns]
    error = (pl.sum_horizontal(columns, ignore_nulls=False) - 1.0).abs()
    inside = pl.all_horizontal(
        column.is_between(-config.tolerance, 1.0 + config.tolerance) for column in columns
    )
    checked = frame.with_columns(
        _error=error, _ok=((error <= config.tolerance) & inside).fill_null(value=False)
    )
    broken = checked.filter(~pl.col("_ok"))
    largest = extremes(checked["_error"]).get("maximum")
    observed = {} if largest is None else {"largest_error": largest}
    return Figures(broken.height, observed, first_keys(broken))


def scores(config: relevance_scores.Config, frame: pl.DataFrame, _run: MeasuredRun) -> Figures:
    """Rows whose score is missing, infinite or negative, or whose feature stands twice on its date."""
    if config.column not in frame.columns or not frame.schema[config.column].is_numeric():
        return _broken_column(frame)
    twice = repeated(frame)
    good = is_number(config.column) & (pl.col(config.column) >= 0).fill_null(value=False)
    broken = frame.filter(~good | twice)
    observed = extremes(frame[config.column]) | {"rows_with_a_repeated_feature": float(twice.sum())}
    return Figures(broken.height, observed, first_keys(broken))


def labels(config: regime_labels.Config, frame: pl.DataFrame, _run: MeasuredRun) -> Figures:
    """Rows whose label is not of the set, and neighbouring labels whose means fall instead of growing."""
    if config.column not in frame.columns or frame.schema[config.column] != pl.String():
        return _broken_column(frame)
    known = pl.col(config.column).is_in(list(config.labels)).fill_null(value=False)
    broken = frame.filter(~known)
    observed = {"labels_seen": float(frame[config.column].drop_nulls().n_unique())}
    if config.ordered_by is not None:
        if config.ordered_by not in frame.columns or not frame.schema[config.ordered_by].is_numeric():
            return _broken_column(frame)
        observed["labels_out_of_order"] = float(_out_of_order(config.labels, config, frame))
    return Figures(broken.height, observed, first_keys(broken))


def _out_of_order(order: tuple[str, ...], config: regime_labels.Config, frame: pl.DataFrame) -> int:
    assert config.ordered_by is not None
    finite = frame.filter(is_number(config.ordered_by))
    means = dict(finite.group_by(config.column).agg(pl.col(config.ordered_by).mean()).rows())
    present = [means[label] for label in order if label in means]
    return sum(high <= low for low, high in pairwise(present))


def _broken_column(frame: pl.DataFrame) -> Figures:
    """The column is not there or of no use: every row breaks, at least one."""
    return Figures(max(frame.height, 1), {}, first_keys(frame))
