"""The figures of docs/scenarios.md, measured again on the real data.

Tolerances: 25 % or 0.01, whichever is more, for figures like a rank correlation with returns; 0.02 for AUC
and accuracy; counts are exact.
"""

from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace

import polars as pl
import pytest

from optaic.mlops.base import BaseFeatures
from tests.examples.walk_forward import Frames, Judged, judge, known

HORIZON = 5
CLOSE_2020 = datetime(2020, 12, 31, 21, tzinfo=UTC)
CLOSE_2021 = datetime(2021, 12, 31, 21, tzinfo=UTC)
END = datetime(2022, 12, 31, tzinfo=UTC)


def near(measured: float) -> object:
    """The range that a figure like a rank correlation must stay in."""
    return pytest.approx(measured, rel=0.25, abs=0.01)


def test_the_signal_has_the_counts_of_the_scenario(whole_signal: Judged):
    features = whole_signal.rows.drop("date", "entity", "target", "outcome")
    assert features.shape == (32_220, 11)
    assert features.null_count().sum_horizontal().item() == 0
    assert len(whole_signal.blocks) == 18
    assert whole_signal.metrics["dates"] == 905
    assert whole_signal.predictions.height == 18_120
    assert set(whole_signal.predictions.group_by("date").len()["len"]) == {20}


def test_the_signal_is_worth_what_the_scenario_measured(whole_signal: Judged):
    assert whole_signal.metrics["rank_ic"] == near(0.0226)
    assert whole_signal.metrics["rank_ic_t"] == near(2.61)
    assert whole_signal.metrics["hit"] == pytest.approx(0.509, abs=0.01)
    assert whole_signal.metrics["top_bottom_bps"] == near(24.8)


@pytest.mark.parametrize(
    ("as_of", "last_trainable", "labelled", "dates", "rank_ic", "top_bottom_bps"),
    [
        (CLOSE_2020, date(2020, 12, 23), 30_200, 805, 0.0206, 19.9),
        (CLOSE_2021, date(2021, 12, 23), 31_200, 855, 0.0187, 21.3),
    ],
    ids=["first version", "second version"],
)
def test_the_trainings_of_the_demonstration(
    signal: SimpleNamespace,
    market: Frames,
    as_of: datetime,
    last_trainable: date,
    labelled: int,
    dates: int,
    rank_ic: float,
    top_bottom_bps: float,
):
    judged = judge(signal, known(market, as_of), clock="prices", horizon=HORIZON, lag=1)
    assert judged.last_trainable == last_trainable
    assert judged.rows["target"].count() == labelled
    assert judged.metrics["dates"] == dates
    assert judged.metrics["rank_ic"] == near(rank_ic)
    assert judged.metrics["top_bottom_bps"] == near(top_bottom_bps)


def test_one_minute_before_the_close_the_last_label_is_not_known(signal: SimpleNamespace, market: Frames):
    before = known(market, CLOSE_2020.replace(hour=20, minute=59))
    judged = judge(_judged_from(signal, 2020), before, clock="prices", horizon=HORIZON, lag=1)
    assert judged.last_trainable == date(2020, 12, 22)


@pytest.mark.parametrize("year", [2021, 2022])
def test_a_year_has_fifty_decision_days(signal: SimpleNamespace, market: Frames, year: int):
    decisions = signal.trainer().decision_dates(market["index"]["date"].to_list())
    assert sum(day.year == year for day in decisions) == 50


def test_a_feature_that_knows_three_days_ahead_is_too_good_to_be_true(
    signal: SimpleNamespace, market: Frames
):
    class Leaky(BaseFeatures):
        def compute(self, frames):
            ahead = pl.col("close").shift(-3).over("entity") / pl.col("close") - 1
            leak = frames["prices"].sort("entity", "date").select("entity", "date", ahead.alias("leak"))
            return signal.features().compute(frames).join(leak, on=["entity", "date"], how="left")

    leaky = SimpleNamespace(**vars(_judged_from(signal, 2018)) | {"features": Leaky})
    judged = judge(leaky, known(market, END), clock="prices", horizon=HORIZON, lag=0)
    assert judged.metrics["rank_ic"] == near(0.682)


def test_real_features_do_not_depend_on_the_scale_of_a_price(signal: SimpleNamespace, market: Frames):
    tripled = pl.when(pl.col("symbol") == "BBY").then(pl.col("close") * 3).otherwise(pl.col("close"))
    scaled = market | {"prices": market["prices"].with_columns(tripled.alias("close"))}
    assert signal.features().compute(scaled).equals(signal.features().compute(market))


@pytest.mark.parametrize("cut", [date(1990, 3, 1), date(2001, 9, 10), date(2020, 3, 16)], ids=str)
def test_real_features_do_not_look_ahead(signal: SimpleNamespace, market: Frames, cut: date):
    then = {role: frame.filter(pl.col("date") <= cut) for role, frame in market.items()}
    full = signal.features().compute(market).filter(pl.col("date") <= cut)
    assert signal.features().compute(then).equals(full)


def test_the_regimes_have_the_counts_of_the_scenario(whole_regime: Judged):
    assert (whole_regime.rows.height, len(whole_regime.blocks)) == (202, 31)
    assert whole_regime.metrics["quarters"] == whole_regime.predictions.height == 122
    assert whole_regime.predictions.null_count().sum_horizontal().item() == 0


def test_the_regimes_agree_with_the_recessions_as_the_scenario_measured(whole_regime: Judged):
    assert whole_regime.metrics["auc"] == pytest.approx(0.965, abs=0.02)
    assert whole_regime.metrics["accuracy"] == pytest.approx(0.869, abs=0.02)
    assert whole_regime.metrics["train_log_likelihood"] == pytest.approx(-2.35, abs=0.02)


def test_nothing_of_the_regimes_was_known_after_the_demonstrations_moment(economy: Frames):
    as_of = datetime(2009, 10, 30, 12, 30, tzinfo=UTC)
    assert all(known(economy, as_of)[role].equals(frame) for role, frame in economy.items())


def test_regimes_come_out_the_same_when_the_later_quarters_are_not_there(
    regime: SimpleNamespace, economy: Frames, whole_regime: Judged
):
    earlier = judge(regime, known(economy, datetime(1999, 1, 1, tzinfo=UTC)), clock="macro", horizon=0, lag=0)
    assert earlier.predictions.equals(whole_regime.predictions.head(earlier.predictions.height))


def _judged_from(definition: SimpleNamespace, year: int) -> SimpleNamespace:
    """The same definition, judged on fewer years."""
    schedule = replace(definition.trainer.walk_forward, first_test=date(year, 1, 1))
    shorter = type("Shorter", (definition.trainer,), {"walk_forward": schedule})
    return SimpleNamespace(**vars(definition) | {"trainer": shorter})
