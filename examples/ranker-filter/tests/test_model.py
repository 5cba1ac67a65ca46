from pathlib import Path

import numpy as np
import polars as pl
import pydantic
import pytest

from model.ranker import Ranker, RankerParams

DATES, ENTITIES = 60, 10


def rows() -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """Payoffs that follow `good`; `noise` says nothing."""
    random = np.random.default_rng(5)
    features = pl.DataFrame(random.random((DATES * ENTITIES, 2)), schema=["good", "noise"])
    dates = pl.Series("date", np.repeat(np.arange(DATES), ENTITIES))
    rank = (pl.col("good").rank() / pl.len()).over("date")
    target = features.with_columns(dates).select(rank.alias("target")).to_series()
    return features, target, dates


def fitted(**params: float) -> Ranker:
    model = Ranker(RankerParams.model_validate(params))
    model.fit(*rows())
    return model


def test_within_a_date_the_better_paid_signals_come_first():
    features, target, dates = rows()
    scored = pl.DataFrame({"date": dates, "target": target, "score": fitted().predict(features)})
    correlation = scored.group_by("date").agg(pl.corr("target", "score", method="spearman"))["target"]
    assert correlation.mean() > 0.8


def test_equal_rows_give_an_equal_model_file(tmp_path: Path):
    texts = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        fitted().save(tmp_path / name)
        texts.append((tmp_path / name / "model.txt").read_bytes())
    assert texts[0] == texts[1]


def test_a_loaded_model_predicts_exactly_what_the_saved_one_did(tmp_path: Path):
    model, features = fitted(), rows()[0]
    model.save(tmp_path)
    assert np.array_equal(Ranker.load(tmp_path, RankerParams()).predict(features), model.predict(features))


def test_without_a_fit_there_is_nothing_to_predict_with():
    with pytest.raises(RuntimeError, match="fitted or loaded"):
        Ranker(RankerParams()).predict(rows()[0])


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"leaves": 1}, {"learning_rate": 0}, {"unknown": 1}])
def test_hyper_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(pydantic.ValidationError):
        RankerParams.model_validate(wrong)
