from pathlib import Path

import numpy as np
import polars as pl
import pytest

from model.weights import Weights

NAMES = ["learned", "momentum", "reversal", "low_volatility"]


def fitted(*worth: float) -> tuple[Weights, pl.DataFrame]:
    random = np.random.default_rng(3)
    features = pl.DataFrame(random.uniform(-1, 1, (400, 4)), schema=NAMES)
    model = Weights(Weights.Params())
    target = features.select(sum(pl.col(name) * one for name, one in zip(NAMES, worth, strict=True)))
    model.fit(features, target.to_series().alias("target"), pl.Series("date", [0] * 400))
    return model, features


def test_weights_are_not_negative_and_sum_to_one():
    weights = fitted(3, 1, 0, -1)[0].state["weights"]
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights["learned"] > weights["momentum"] > weights["low_volatility"] == 0.0


def test_where_no_signal_helps_the_weights_are_equal():
    assert set(fitted(-1, -1, -1, -1)[0].state["weights"].values()) == {0.25}


def test_a_loaded_model_predicts_what_the_saved_one_did(tmp_path: Path):
    model, features = fitted(1, 1, 1, 1)
    model.save(tmp_path)
    loaded = Weights.load(tmp_path, Weights.Params())
    assert np.array_equal(loaded.predict(features), model.predict(features))
