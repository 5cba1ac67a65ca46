"""What is measured by comparing: an output with its input or its reference, a model with the present."""

import polars as pl

from application.ports import MeasuredRun
from domain.guardrails import filter_subset, model_freshness, model_stability
from infrastructure.guardrail_measures.figures import (
    Figures,
    first_keys,
    is_number,
    repeated,
)
from infrastructure.guardrail_measures.matching import keys_of, names_of, places_of

_KEY = ["date", "entity"]
_SHARED_MIN = 2
"""Fewer shared keys have no rank correlation."""


def subset(config: filter_subset.Config, output: pl.DataFrame, run: MeasuredRun) -> Figures | None:
    """Rows whose key the input has not, whose value differs from it, or whose key stands twice; and dates
    with another count than asked for.
    """
    source = run.inputs.get(config.role)
    if source is None:
        return None
    rows = source.rows()
    shared = [name for name in config.columns if name in rows.columns and name in output.columns]
    names = names_of(rows)
    place = places_of(keys_of(output, names), keys_of(rows, names))
    given = rows.select(pl.col(shared).gather(place).name.prefix("_")) if shared else output.select()
    foreign = place.is_null()
    changed = pl.any_horizontal(
        pl.lit(value=len(shared) < len(config.columns)),
        *(pl.col(name).ne_missing(pl.col(f"_{name}")) for name in shared),
    )
    marked = (
        pl.concat([output.select(*_KEY, *shared), given], how="horizontal")
        .with_columns(_foreign=foreign, _twice=repeated(output))
        .select(*_KEY, "_foreign", "_twice", _changed=changed & ~pl.col("_foreign"))
    )
    broken = marked.filter(pl.col("_foreign") | pl.col("_changed") | pl.col("_twice")).select(_KEY)
    odd = _odd_dates(config, output, run)
    observed = {
        "foreign_keys": float(marked["_foreign"].sum()),
        "changed_values": float(marked["_changed"].sum()),
        "repeated_keys": float(marked["_twice"].sum()),
        "dates_of_another_count": float(odd.height),
    }
    keys = first_keys(pl.concat([broken, odd]))
    return Figures(broken.height + odd.height, observed, keys)


def _odd_dates(config: filter_subset.Config, output: pl.DataFrame, run: MeasuredRun) -> pl.DataFrame:
    """Dates, those of the run's decisions too, that have not `per_date` rows; as keys without an entity."""
    if config.per_date is None:
        return output.select(_KEY).clear()
    counts = output.group_by("date").agg(_rows=pl.len())
    expected = pl.Series("date", list(run.decisions or ()), dtype=pl.Date).to_frame()
    absent = expected.join(counts, on="date", how="anti")
    odd = counts.filter(pl.col("_rows") != config.per_date).select("date")
    return pl.concat([odd, absent]).select("date", entity=pl.lit(""))


def stability(config: model_stability.Config, output: pl.DataFrame, run: MeasuredRun) -> Figures | None:
    """Rank correlation with the reference over shared keys."""
    source = run.inputs.get(config.reference) if config.reference is not None else None
    if source is None:
        return None
    reference = source.rows()
    if any(not _is_numeric(frame, config.column) for frame in (output, reference)):
        return Figures(1, {"shared": 0.0})
    ours, theirs = (_ranked(config, frame) for frame in (output, reference))
    column = config.column
    pairs = _same_keys(ours, theirs, column) if config.match == "date" else _same_entities(ours, theirs)
    each = pairs.group_by("date").agg(
        _n=pl.len(), _corr=pl.corr(column, f"{column}_reference", method="spearman")
    )
    usable = each.filter((pl.col("_n") >= _SHARED_MIN) & pl.col("_corr").is_finite())
    value = usable.sort("date")["_corr"].mean()
    observed = {"shared": float(pairs.height), "dates": float(usable.height)}
    if not isinstance(value, float):
        return Figures(1, observed)
    value = max(-1.0, min(1.0, value))
    return Figures(int(value < config.at_least), observed | {"rank_correlation": value})


def _same_keys(ours: pl.DataFrame, theirs: pl.DataFrame, column: str) -> pl.DataFrame:
    """date, the column and the reference's of the same (date, entity); keys stand once in either."""
    names = names_of(theirs)
    place = places_of(keys_of(ours, names), keys_of(theirs, names))
    reference = theirs[column].gather(place).alias(f"{column}_reference")
    return ours.select("date", column).with_columns(reference).filter(place.is_not_null())


def _same_entities(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    return ours.join(theirs, on="entity", suffix="_reference")


def _is_numeric(frame: pl.DataFrame, column: str) -> bool:
    return column in frame.columns and frame.schema[column].is_numeric()


def _ranked(config: model_stability.Config, frame: pl.DataFrame) -> pl.DataFrame:
    rows = frame.select(*_KEY, config.column).filter(is_number(config.column))
    if repeated(rows).any():
        rows = rows.unique(_KEY, keep="none")
    return rows if config.match == "date" else rows.filter(pl.col("date") == pl.col("date").max())


def age(config: model_freshness.Config, _output: pl.DataFrame, run: MeasuredRun) -> Figures | None:
    """Days from `trained_as_of` to the run's `as_of`."""
    if run.trained_as_of is None or run.as_of is None:
        return None
    days = (run.as_of - run.trained_as_of).total_seconds() / 86_400
    return Figures(int(days > config.days), {"age_days": days})
