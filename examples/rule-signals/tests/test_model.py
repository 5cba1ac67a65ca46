from pathlib import Path

import numpy as np
import polars as pl

from model.rules import Rules

FEATURES = pl.DataFrame({"momentum": [0.2, 1.0], "reversal": [None, 0.5], "low_volatility": [0.4, 0.8]})


def fitted() -> Rules:
    model = Rules(Rules.Params())
    model.fit(FEATURES, pl.Series([0.0, 1.0]), pl.Series([0, 1]))
    return model


def test_a_rule_hands_its_feature_on_and_a_missing_one_is_neutral():
    assert fitted().predict(FEATURES).tolist() == [[0.2, 0.5, 0.4], [1.0, 0.5, 0.8]]


def test_nothing_is_learned_from_the_target():
    other = Rules(Rules.Params())
    other.fit(FEATURES, pl.Series([9.0, -9.0]), pl.Series([0, 1]))
    assert other.state == fitted().state


def test_a_loaded_model_predicts_what_the_saved_one_did(tmp_path: Path):
    fitted().save(tmp_path)
    loaded = Rules.load(tmp_path, Rules.Params())
    assert np.array_equal(loaded.predict(FEATURES), fitted().predict(FEATURES))
