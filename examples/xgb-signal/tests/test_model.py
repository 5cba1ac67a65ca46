from pathlib import Path

import numpy as np
import polars as pl
import pydantic
import pytest

from model.booster import BoosterModel, BoosterParams


@pytest.fixture(scope="module")
def rows() -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    random = np.random.default_rng(3)
    features = pl.DataFrame(random.random((300, 3)), schema=["a", "b", "c"])
    target = (features["a"] * 0.8 + features["b"] * 0.2).alias("target")
    return features, target, pl.Series("date", [0] * 300)


def fitted(rows: tuple[pl.DataFrame, pl.Series, pl.Series]) -> BoosterModel:
    model = BoosterModel(BoosterParams(rounds=30))
    model.fit(*rows)
    return model


def test_the_model_learns_a_plain_relation(rows):
    score = fitted(rows).predict(rows[0])
    assert score.shape == (300,)
    assert np.corrcoef(score, rows[1])[0, 1] > 0.95


def test_equal_rows_give_an_equal_model_file(rows, tmp_path: Path):
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        fitted(rows).save(tmp_path / name)
        files.append((tmp_path / name / "model.json").read_bytes())
    assert files[0] == files[1]


def test_a_loaded_model_predicts_what_the_saved_one_did(rows, tmp_path: Path):
    model = fitted(rows)
    model.save(tmp_path)
    loaded = BoosterModel.load(tmp_path, BoosterParams())
    assert np.array_equal(loaded.predict(rows[0]), model.predict(rows[0]))


def test_missing_features_are_allowed(rows):
    gaps = rows[0].with_columns(pl.lit(None, pl.Float64).alias("b"))
    assert np.isfinite(fitted(rows).predict(gaps)).all()


def test_a_model_that_was_never_fitted_does_not_predict(rows):
    with pytest.raises(RuntimeError, match="not been fitted"):
        BoosterModel(BoosterParams()).predict(rows[0])


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"learning_rate": 0}, {"max_depth": 99}, {"unknown": 1}])
def test_hyper_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(pydantic.ValidationError):
        BoosterParams.model_validate(wrong)
