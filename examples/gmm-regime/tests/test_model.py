from pathlib import Path

import numpy as np
import polars as pl
import pydantic
import pytest

from model.mixture import MixtureModel, MixtureParams


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    random = np.random.default_rng(8)
    good = random.normal([3, -0.1], [1, 0.1], (150, 2))
    bad = random.normal([-3, 0.5], [1, 0.2], (30, 2))
    return pl.DataFrame(np.vstack([good, bad]), schema=["gdp_growth", "unemployment_change"])


def fitted(rows: pl.DataFrame, **params: int) -> MixtureModel:
    model = MixtureModel(MixtureParams(**params))
    model.fit(rows, pl.Series([0.0] * rows.height), pl.Series(range(rows.height)))
    return model


def test_probabilities_sum_to_one_and_find_the_two_states(rows):
    raw = fitted(rows).predict(rows)
    assert raw.shape == (180, 2)
    assert np.abs(raw.sum(axis=1) - 1).max() < 1e-12
    assert (raw[:150, 0] > 0.5).mean() > 0.97
    assert (raw[150:, 1] > 0.5).mean() > 0.97


def test_the_first_state_has_the_higher_growth_whatever_the_seed(rows):
    for seed in range(5):
        means = fitted(rows, seed=seed).mixture.means
        assert means[0][0] > means[1][0]


def test_predictions_equal_those_of_the_fitted_library_model(rows):
    from sklearn.mixture import GaussianMixture

    scaled = (rows.to_numpy() - rows.to_numpy().mean(axis=0)) / rows.to_numpy().std(axis=0)
    found = GaussianMixture(2, n_init=2, random_state=0).fit(scaled)
    expansion = int(np.argmax(found.means_[:, 0]))
    model = fitted(rows)
    assert model.predict(rows)[:, 0] == pytest.approx(found.predict_proba(scaled)[:, expansion], abs=1e-9)
    assert model.train_facts["log_likelihood_per_row"] == pytest.approx(found.score(scaled))


def test_units_of_a_feature_do_not_matter(rows):
    percent = fitted(rows).predict(rows)
    fractions = rows.with_columns(pl.col("gdp_growth") / 100)
    assert fitted(fractions).predict(fractions) == pytest.approx(percent, abs=1e-6)


def test_a_loaded_model_predicts_exactly_what_the_saved_one_did(rows, tmp_path: Path):
    model = fitted(rows)
    model.save(tmp_path)
    loaded = MixtureModel.load(tmp_path, MixtureParams())
    assert np.array_equal(loaded.predict(rows), model.predict(rows))


def test_missing_figures_are_refused(rows):
    gap = rows.with_columns(pl.lit(None, pl.Float64).alias("gdp_growth"))
    with pytest.raises(ValueError, match="every feature of every row"):
        fitted(rows).predict(gap)


@pytest.mark.parametrize("wrong", [{"n_init": 0}, {"seed": -1}, {"unknown": 1}])
def test_hyper_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(pydantic.ValidationError):
        MixtureParams.model_validate(wrong)
