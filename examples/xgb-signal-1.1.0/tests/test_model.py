from pathlib import Path

import numpy as np
import polars as pl
import pytest

from model.booster import BoosterModel, BoosterParams

Rows = tuple[pl.DataFrame, pl.Series, pl.Series]


@pytest.fixture(scope="module")
def rows() -> Rows:
    random = np.random.default_rng(3)
    features = pl.DataFrame(random.random((300, 3)), schema=["a", "b", "c"])
    target = (features["a"] * 0.8 + features["b"] * 0.2).alias("target")
    return features, target, pl.Series("date", [0] * 300)


@pytest.fixture(scope="module")
def model(rows: Rows) -> BoosterModel:
    fitted = BoosterModel(BoosterParams(rounds=60))
    fitted.fit(*rows)
    return fitted


def test_the_model_learns_a_plain_relation(model: BoosterModel, rows: Rows):
    score = model.predict(rows[0])
    assert score.shape == (300,)
    assert np.corrcoef(score, rows[1])[0, 1] > 0.95


def test_equal_rows_give_an_equal_model_and_a_loaded_one_predicts_the_same(
    model: BoosterModel, rows: Rows, tmp_path: Path
):
    again = BoosterModel(BoosterParams(rounds=60))
    again.fit(*rows)
    again.save(tmp_path)
    assert (tmp_path / "model.txt").read_text() == model.booster.model_to_string()
    assert np.array_equal(
        BoosterModel.load(tmp_path, BoosterParams()).predict(rows[0]), model.predict(rows[0])
    )


def test_a_model_that_was_never_fitted_does_not_predict(rows: Rows):
    with pytest.raises(RuntimeError, match="not been fitted"):
        BoosterModel(BoosterParams()).predict(rows[0])
