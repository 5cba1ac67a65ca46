from pathlib import Path

import numpy as np
import polars as pl
import pydantic
import pytest

from model.measures import Relevance, RelevanceParams


def fitted(measure: str) -> tuple[Relevance, pl.DataFrame]:
    random = np.random.default_rng(3)
    features = pl.DataFrame(random.random((400, 3)), schema=["cause", "weak", "noise"])
    model = Relevance(RelevanceParams.model_validate({"measure": measure}))
    target = (features["cause"] - 0.5) ** 2 + 0.05 * features["weak"]
    model.fit(features, target, pl.Series("date", [0] * 400))
    return model, features


@pytest.mark.parametrize("measure", ["mutual_information", "shap"])
def test_a_cause_without_a_direction_scores_above_noise(measure):
    model, features = fitted(measure)
    scores = model.predict(features)
    assert scores.shape == (400, 3)
    assert (scores == scores[0]).all()
    cause, weak, noise = scores[0]
    assert cause > 3 * max(weak, noise)
    assert min(weak, noise) >= 0


def test_a_loaded_model_predicts_what_the_saved_one_did(tmp_path: Path):
    model, features = fitted("mutual_information")
    model.save(tmp_path)
    loaded = Relevance.load(tmp_path, RelevanceParams())
    assert np.array_equal(loaded.predict(features), model.predict(features))


def test_equal_rows_give_equal_scores():
    for measure in ("mutual_information", "shap"):
        assert fitted(measure)[0].state == fitted(measure)[0].state


@pytest.mark.parametrize("wrong", [{"measure": "guess"}, {"neighbours": 0}, {"seed": -1}, {"unknown": 1}])
def test_hyper_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(pydantic.ValidationError):
        RelevanceParams.model_validate(wrong)
