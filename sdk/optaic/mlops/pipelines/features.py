"""The features of each decision: as they were known then, lagged, and null when too old."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from optaic.mlops.base import BaseFeatures
from optaic.mlops.pipelines.epochs import plan_reads
from optaic.mlops.pipelines.grid import Grid
from optaic.mlops.pipelines.knowledge import KEY, History, Inputs, frames_as_of
from optaic.mlops.point_in_time import positions, shifted
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import Config


@dataclass(frozen=True)
class FeatureRows:
    """Rows date, entity, feature_date, then `columns` as Float64 (missing is null), sorted by (date,
    entity).
    """

    frame: pl.DataFrame
    columns: tuple[str, ...]
    epochs: int
    """How many frames had to be computed."""


def feature_rows(
    features: BaseFeatures,
    inputs: Inputs,
    grid: Grid,
    decisions: pl.DataFrame,
    config: Config,
    *,
    vintage: bool,
    keeps_empty: bool = False,
) -> FeatureRows:
    """R9 and R10 for every decision (date, moment): each as of its own moment (vintage) or all as of the
    run's. Rows without any value are left out unless `keeps_empty`.
    """
    histories = inputs.histories(inputs.feature_roles)
    cutoffs = shifted(grid.sessions, decisions["date"], -config.feature_lag)
    reads = pl.DataFrame({"cutoff": cutoffs, "moment": decisions["moment"]})
    if not vintage:
        computed = _computed(features, frames_as_of(histories, inputs.as_of), config)
        keys = decisions.select("date").with_columns(cutoffs.alias("bound"))
        return _result([_joined(computed, keys)], grid, config, 1, keeps_empty=keeps_empty)
    plan = plan_reads(histories.values(), reads)
    keys = decisions.select("date").with_columns(plan.bounds)
    parts = [
        _joined(_computed(features, frames_as_of(histories, epoch.moment), config), keys[epoch.rows])
        for epoch in plan.epochs
    ]
    return _result(parts, grid, config, len(plan.epochs), keeps_empty=keeps_empty)


def naive_feature_rows(
    features: BaseFeatures,
    histories: Mapping[str, History],
    grid: Grid,
    decisions: pl.DataFrame,
    config: Config,
) -> pl.DataFrame:
    """The definition of `feature_rows` under vintage, one computation a decision: what the fast way must
    equal.
    """
    parts: list[pl.DataFrame] = []
    for day, moment in decisions.iter_rows():
        cutoff = shifted(grid.sessions, pl.Series([day], dtype=pl.Date()), -config.feature_lag)
        keys = pl.DataFrame({"date": pl.Series([day], dtype=pl.Date()), "bound": cutoff})
        parts.append(_joined(_computed(features, frames_as_of(histories, moment), config), keys))
    return _result(parts, grid, config, len(parts)).frame


def _computed(features: BaseFeatures, frames: Mapping[str, pl.DataFrame], config: Config) -> pl.DataFrame:
    computed = features.compute(frames)
    missing = [name for name in (*KEY, *(config.feature_cols or ())) if name not in computed.columns]
    if missing:
        raise RunRefused("run.features_malformed", f"the features have no column {missing[0]!r}")
    names = config.feature_cols or tuple(name for name in computed.columns if name not in KEY)
    typed = computed.select(
        pl.col("entity").cast(pl.String),
        pl.col("date").cast(pl.Date),
        *(pl.col(name).cast(pl.Float64).fill_nan(None) for name in names),
    )
    if typed.select(pl.struct(KEY).is_duplicated().any()).item():
        raise RunRefused("run.features_malformed", "the features have two rows of one (entity, date)")
    return typed


def _joined(computed: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """For each decision (date, bound) and entity the newest row up to the bound."""
    wanted = keys.drop_nulls("bound").join(computed.select("entity").unique(), how="cross")
    rows = computed.rename({"date": "feature_date"}).sort("feature_date", "entity")
    joined = wanted.sort("bound", "entity").join_asof(
        rows,
        left_on="bound",
        right_on="feature_date",
        by="entity",
        strategy="backward",
        check_sortedness=False,
    )
    return joined.drop_nulls("feature_date").drop("bound")


def _result(
    parts: list[pl.DataFrame], grid: Grid, config: Config, epochs: int, *, keeps_empty: bool = False
) -> FeatureRows:
    rows = pl.concat(parts)
    columns = tuple(name for name in rows.columns if name not in ("date", "entity", "feature_date"))
    ordered = rows.select("date", "entity", "feature_date", *columns)
    if config.max_age is not None:
        age = positions(grid.sessions, ordered["date"]) - positions(grid.sessions, ordered["feature_date"])
        fresh = (age <= config.max_age).fill_null(value=False)
        ordered = ordered.with_columns(pl.when(fresh).then(pl.col(columns)).otherwise(None))
    if not keeps_empty:
        ordered = ordered.filter(~pl.all_horizontal(pl.col(columns).is_null()))
    return FeatureRows(ordered.sort("date", "entity"), columns, epochs)
