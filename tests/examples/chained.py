"""Scenarios 3, 4 and 5 by the oracle: each model reads what the one before it predicted out of sample."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import numpy as np
import polars as pl

from optaic.mlops import point_in_time
from tests.examples.walk_forward import Frames, Judged, judge, known

RULES = ("momentum", "reversal", "low_volatility")
CLOSE_2014 = datetime(2014, 12, 31, 21, tzinfo=UTC)
END = datetime(2022, 12, 31, tzinfo=UTC)
HORIZON = 5


def judged_blend(definition: SimpleNamespace, market: Frames, signal: Judged, rules: Judged) -> Judged:
    """Scenario 4: weights fitted on out-of-sample predictions, judged from 2009."""
    frames = {"learned": signal.predictions, "rules": rules.predictions}
    return _on_predictions(definition, market, frames, signal.predictions["date"])


def judged_picks(definition: SimpleNamespace, market: Frames, blend: Judged) -> Judged:
    """Scenario 5: ten of the twenty combined signals, judged from 2014."""
    return _on_predictions(definition, market, {"signals": blend.predictions}, blend.predictions["date"])


def _on_predictions(definition: SimpleNamespace, market: Frames, given: Frames, days: pl.Series) -> Judged:
    clock = market["prices"].filter(pl.col("date") >= days.min())
    return judge(definition, market | given | {"clock": clock}, clock="clock", horizon=HORIZON, lag=0)


def labelled(definition: SimpleNamespace, market: Frames, as_of: datetime) -> pl.DataFrame:
    """Decision rows of scenario 3 with lagged features and a label known by then."""
    frames = known(market, as_of)
    sessions = point_in_time.sessions_of_rows(frames["prices"])
    decisions = pl.Series("date", definition.trainer().decision_dates(sessions["session"].to_list()))
    features = point_in_time.lag_features(definition.features().compute(frames), decisions, sessions, 1)
    labels = definition.target().compute(frames, HORIZON)
    joined = features.drop("feature_date").join(labels, on=["date", "entity"], maintain_order="left")
    return joined.drop_nulls("target")


def scored(definition: SimpleNamespace, rows: pl.DataFrame, **params: object) -> dict[str, float]:
    """Feature → score of a model that was fitted on these rows."""
    names = [name for name in rows.columns if name not in ("date", "entity", "target", "outcome")]
    model = definition.model(definition.model.Params(**params))
    model.fit(rows.select(names), rows["target"], rows["date"])
    return dict(zip(names, model.predict(rows.select(names).head(1))[0].tolist(), strict=True))


def later_correlations(rows: pl.DataFrame, names: list[str]) -> dict[str, float]:
    """Feature → size of its mean rank correlation with what came, over the dates of 2015 and later."""
    later = rows.filter(pl.col("date") >= date(2015, 1, 1))
    daily = later.group_by("date").agg(pl.corr(name, "outcome", method="spearman") for name in names)
    return {name: abs(float(np.nanmean(daily[name].to_numpy()))) for name in names}


def rank_correlation(one: dict[str, float], other: dict[str, float]) -> float:
    """Spearman's correlation of two scorings of the same features."""
    pair = pl.DataFrame([{"a": one[name], "b": other[name]} for name in sorted(one)])
    return float(pair.select(pl.corr("a", "b", method="spearman")).item())
