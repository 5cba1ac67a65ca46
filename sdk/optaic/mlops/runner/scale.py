"""Whether features and target stay as they are on another scale: only then may the history be restated (L3).

A split or a dividend multiplies the whole past of one entity by a factor. So each entity's values of one
input are multiplied by a factor of its own, and everything is computed again.
"""

from collections.abc import Mapping

import polars as pl
from polars import selectors as cs

from optaic.mlops.runner.components import Components

FACTORS = (3.0, 9.0, 1.0)
"""By turns, in the order of the entities' names."""
TOLERANCE = 1e-9
"""Relative above 1, absolute below."""
_KEYS = ("entity", "date")
_HORIZON = 5


def scale_findings(components: Components, frames: Mapping[str, pl.DataFrame], role: str) -> list[str]:
    """What changes when the input of this role is scaled, a line a column; nothing to compare is one too."""
    scaled = {**frames, role: _scaled(frames[role])}
    features, target = components.features(), components.target()
    return [
        *_differences("features", role, features.compute(frames), features.compute(scaled)),
        *_differences("target", role, target.compute(frames, _HORIZON), target.compute(scaled, _HORIZON)),
    ]


def _scaled(frame: pl.DataFrame) -> pl.DataFrame:
    names = frame.select(pl.col("entity").unique().sort())
    factors = names.with_columns(_factor=pl.Series([FACTORS[n % len(FACTORS)] for n in range(names.height)]))
    joined = frame.join(factors, on="entity", how="left", maintain_order="left")
    values = cs.numeric() - cs.by_name("_factor", "seq", require_all=False)
    return joined.with_columns(values * pl.col("_factor")).drop("_factor")


def _differences(what: str, role: str, before: pl.DataFrame, after: pl.DataFrame) -> list[str]:
    together = before.join(after, on=_KEYS, how="inner", suffix="_scaled").sort("date", "entity")
    if not together.height or together.height != before.height or together.height != after.height:
        rows = f"{before.height} rows become {after.height}, {together.height} of them the same"
        return [f"pit.restated_history {what}: {rows} when {role} is on another scale"]
    return [
        finding
        for column in before.columns
        if column not in _KEYS and (finding := _difference(what, role, column, together))
    ]


def _difference(what: str, role: str, column: str, together: pl.DataFrame) -> str | None:
    one, other = (pl.col(name).cast(pl.Float64).fill_nan(None) for name in (column, f"{column}_scaled"))
    far = (one - other).abs() > TOLERANCE * pl.max_horizontal(one.abs(), pl.lit(1.0))
    changed = together.filter(far.fill_null(value=False) | (one.is_null() != other.is_null()))
    if changed.is_empty():
        return None
    day, entity = changed.row(0, named=True)["date"], changed.row(0, named=True)["entity"]
    return (
        f"pit.restated_history {what} {column}: {changed.height} values change when {role} is on another "
        f"scale, first {day}/{entity}"
    )
