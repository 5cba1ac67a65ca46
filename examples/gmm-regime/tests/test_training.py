import math
from datetime import date

import polars as pl
import pytest
from optaic.mlops.base import Evaluation

from training.evaluator import Evaluator
from training.features import FEATURES, Features
from training.target import Target
from training.trainer import Trainer


def test_features_are_annualised_growth_and_the_change_of_unemployment(frames):
    features, macro = Features().compute(frames), frames["macro"]
    assert features.columns == ["entity", "date", *FEATURES]
    assert features.row(0)[2:] == (None, None)
    growth = 400 * math.log(macro["realgdp"][7] / macro["realgdp"][6])
    assert features["gdp_growth"][7] == pytest.approx(growth)
    assert features["unemployment_change"][7] == pytest.approx(macro["unemp"][7] - macro["unemp"][6])


@pytest.mark.parametrize("quarters", [2, 20, 59])
def test_features_do_not_look_ahead(frames, quarters):
    known = frames | {"macro": frames["macro"].head(quarters)}
    assert Features().compute(known).equals(Features().compute(frames).head(quarters))


def test_the_outcome_is_one_in_the_quarters_of_a_recession_only(frames):
    rows = Target().compute(frames, 0)
    assert [n for n, outcome in enumerate(rows["outcome"]) if outcome] == list(range(20, 26))
    assert set(rows["target"]) == {0.0}


def test_without_dated_recessions_the_outcome_is_unknown_or_an_expansion(frames):
    assert Target().compute({"macro": frames["macro"]}, 0)["outcome"].null_count() == 60
    none_yet = frames | {"outcomes": frames["outcomes"].clear()}
    assert set(Target().compute(none_yet, 0)["outcome"]) == {0.0}


def test_stored_predictions_are_judged_on_their_own_quarters(frames):
    predictions = frames["macro"].select("entity", "date").slice(18, 4)
    rows = Target().compute({"predictions": predictions, "outcomes": frames["outcomes"]}, 0)
    assert rows["outcome"].to_list() == [0.0, 0.0, 1.0, 1.0]


def test_decisions_begin_with_the_first_quarter_that_has_features(frames):
    days = frames["macro"]["date"].to_list()
    assert Trainer().decision_dates(days) == days[1:]


def test_metrics_of_probabilities_that_rank_one_quarter_wrongly():
    frame = pl.DataFrame(
        {
            "date": [date(2000 + n, 3, 31) for n in range(5)],
            "entity": [""] * 5,
            "p_recession": [0.1, 0.7, 0.2, 0.6, 0.9],
            "outcome": [0.0, 0.0, 0.0, 1.0, 1.0],
        }
    )
    metrics = Evaluator().evaluate(Evaluation(frame, {"log_likelihood_per_row": -2.5}))
    assert metrics == pytest.approx(
        {"auc": 5 / 6, "accuracy": 4 / 5, "quarters": 5.0, "train_log_likelihood": -2.5}
    )


def test_without_a_recession_there_is_no_area_under_the_curve():
    frame = pl.DataFrame({"p_recession": [0.2, 0.6], "outcome": [0.0, 0.0]})
    assert Evaluator().evaluate(Evaluation(frame)) == {"quarters": 2.0, "accuracy": 0.5}
