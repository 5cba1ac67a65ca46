from datetime import date, timedelta

import polars as pl
import pytest

from training.features import FEATURES, Features
from training.target import Target
from training.trainer import Trainer


def test_features_are_ranks_and_complete_after_the_warm_up(frames):
    features = Features().compute(frames)
    warm = features.filter(pl.col("date") >= date(2010, 1, 1) + timedelta(days=Features.warm_up - 1))
    assert features.columns == ["entity", "date", *FEATURES]
    assert warm.null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize("sessions", [30, 260])
def test_features_do_not_look_ahead(frames, sessions):
    cut = pl.col("date") <= date(2010, 1, 1) + timedelta(days=sessions)
    until = {role: frame.filter(cut) for role, frame in frames.items()}
    assert Features().compute(until).equals(Features().compute(frames).filter(cut))


def test_the_last_sessions_have_no_target_yet(frames):
    last = frames["prices"]["date"].max()
    assert Target().compute(frames, 5)["date"].max() == last - timedelta(days=5)


def test_decisions_are_those_of_the_first_version():
    days = [date(2010, 1, 1) + timedelta(days=n) for n in range(300)]
    assert Trainer().decision_dates(days) == days[260::5]
