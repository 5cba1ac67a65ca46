"""What the three libraries fit is recorded by itself; no training is changed, and undo undoes."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from optaic.mlops.autolog import Autolog, AutologWarning

DRAW = np.random.default_rng(3)
ROWS = DRAW.normal(size=(80, 3))
TARGET = ROWS @ [1.0, -2.0, 0.5] + DRAW.normal(0, 0.1, 80)


class Kept:
    """Remembers what was recorded."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.points: list[tuple[str, int, float]] = []

    def params(self, params: Any) -> None:
        self.given.update(params)

    def metrics(self, metrics: Any, step: int) -> None:
        self.points += [(name, step, value) for name, value in metrics.items()]

    def series(self, name: str) -> list[float]:
        return [value for one, _, value in self.points if one == name]


@pytest.fixture
def kept() -> Iterator[Kept]:
    recorder = Kept()
    autolog = Autolog(recorder)
    autolog.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error", AutologWarning)
        yield recorder
    autolog.undo()


def test_xgboost_tells_parameters_and_each_round_and_trains_the_same_model(kept: Kept) -> None:
    data = xgboost.DMatrix(ROWS[:60], TARGET[:60])
    held_out = xgboost.DMatrix(ROWS[60:], TARGET[60:])
    results: dict[str, Any] = {}
    params = {"max_depth": 2, "seed": 7, "nthread": 1}
    booster = xgboost.train(
        params,
        data,
        12,
        evals=[(data, "train"), (held_out, "valid")],
        evals_result=results,
        verbose_eval=False,
    )
    assert (kept.given["estimator"], kept.given["max_depth"], kept.given["num_boost_round"]) == (
        "xgboost",
        2,
        12,
    )
    assert kept.series("valid/rmse") == results["valid"]["rmse"]
    assert [step for name, step, _ in kept.points if name == "train/rmse"] == list(range(12))
    recorded = booster.save_raw("json")
    untouched = xgboost.train.__wrapped__(params, data, 12)  # type: ignore[attr-defined]
    assert recorded == untouched.save_raw("json")


def test_early_stopping_of_xgboost_still_stops_and_its_best_round_is_told(kept: Kept) -> None:
    data, other = xgboost.DMatrix(ROWS[:60], TARGET[:60]), xgboost.DMatrix(ROWS[60:], -TARGET[60:])
    booster = xgboost.train(
        {"nthread": 1}, data, 50, evals=[(other, "valid")], early_stopping_rounds=2, verbose_eval=False
    )
    assert booster.num_boosted_rounds() < 50
    assert kept.series("best_iteration") == [booster.best_iteration]


def test_lightgbm_tells_parameters_and_each_round(kept: Kept) -> None:
    data = lightgbm.Dataset(ROWS[:60], TARGET[:60])
    held_out = lightgbm.Dataset(ROWS[60:], TARGET[60:], reference=data)
    params = {"num_leaves": 4, "verbose": -1, "objective": "regression", "num_threads": 1, "seed": 1}
    seen: dict[str, Any] = {}
    callbacks = [lightgbm.record_evaluation(seen)]
    lightgbm.train(params, data, 9, valid_sets=[held_out], valid_names=["valid"], callbacks=callbacks)
    assert len(callbacks) == 1
    assert (kept.given["estimator"], kept.given["num_leaves"]) == ("lightgbm", 4)
    assert kept.series("valid/l2") == list(seen["valid"]["l2"])


def test_the_wrappers_of_both_train_through_the_same_door(kept: Kept) -> None:
    xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(ROWS, TARGET, eval_set=[(ROWS, TARGET)], verbose=False)
    lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1).fit(
        ROWS, TARGET, eval_X=(ROWS[:40],), eval_y=(TARGET[:40],)
    )
    assert len(kept.series("validation_0/rmse")) == 3
    assert len(kept.series("fit2.valid_0/l2")) == 3
    assert (kept.given["estimator"], kept.given["fit2.estimator"]) == ("xgboost", "lightgbm")


def test_an_estimator_tells_its_parameters_its_curve_and_its_score(kept: Kept) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=20, random_state=0).fit(ROWS, TARGET)
    assert (kept.given["estimator"], kept.given["max_iter"]) == ("MLPRegressor", 20)
    assert kept.series("loss_curve") == model.loss_curve_
    assert kept.series("training_score") == [model.score(ROWS, TARGET)]


def test_the_steps_of_a_pipeline_are_the_pipelines(kept: Kept) -> None:
    make_pipeline(StandardScaler(), Ridge(alpha=0.5)).fit(ROWS, TARGET)
    assert kept.given["estimator"] == "Pipeline"
    assert kept.given["ridge__alpha"] == 0.5
    assert "fit2.estimator" not in kept.given


def test_an_estimator_that_is_defined_later_is_recorded_too(kept: Kept) -> None:
    class Later(BaseEstimator):
        def __init__(self, depth: int = 3) -> None:
            self.depth = depth

        def fit(self, rows: Any, target: Any = None) -> "Later":
            return self

    Later(depth=5).fit(ROWS)
    assert (kept.given["estimator"], kept.given["depth"]) == ("Later", 5)


def test_an_error_of_the_training_comes_through_as_it_is(kept: Kept) -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Ridge().fit(ROWS, TARGET[:3])
    with pytest.raises(TypeError):
        xgboost.train()
    assert kept.given["estimator"] == "Ridge"


def test_a_recorder_that_fails_is_a_warning_and_the_training_goes_on() -> None:
    class Broken(Kept):
        def metrics(self, metrics: Any, step: int) -> None:
            raise ConnectionError("the service is away")

    autolog = Autolog(Broken())
    autolog.start()
    try:
        with pytest.warns(AutologWarning, match="the service is away"):
            fitted = Ridge().fit(ROWS, TARGET)
    finally:
        autolog.undo()
    assert fitted.coef_.shape == (3,)


def test_undo_puts_everything_back() -> None:
    before = (Ridge.fit, xgboost.train, lightgbm.train, dict(vars(BaseEstimator)), list(sys.meta_path))
    autolog = Autolog(recorder := Kept())
    autolog.start()
    assert xgboost.train is not before[1]
    autolog.undo()
    autolog.undo()
    assert (
        Ridge.fit,
        xgboost.train,
        lightgbm.train,
        dict(vars(BaseEstimator)),
        list(sys.meta_path),
    ) == before
    Ridge().fit(ROWS, TARGET)
    assert recorder.given == {}


LATE = """
import sys
from optaic.mlops import tracking
undo = tracking.autolog()
assert not {"sklearn", "xgboost", "lightgbm"} & set(sys.modules)
from optaic.mlops.autolog import Autolog
import xgboost
assert "autolog" in xgboost.train.__code__.co_filename
xgboost.train({"nthread": 1}, xgboost.DMatrix([[1.0], [2.0]], [1.0, 2.0]), 2)
undo()
assert "autolog" not in xgboost.train.__code__.co_filename
"""


def test_a_library_that_is_imported_later_is_recorded_and_without_a_run_nothing_happens() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", LATE], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
