"""What must not get through, on the real data: stale prices, and regimes that are smoothed."""

from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hmmlearn.hmm import GaussianHMM

from application.ports import MeasuredInput, MeasuredRun
from domain.guardrails.contracts import Contract
from domain.guardrails.gates import evaluate
from infrastructure.calendars import ExchangeSessions
from infrastructure.guardrail_measures.measurer import ParquetMeasurer
from optaic.mlops.lookahead import validate_no_lookahead
from tests.examples.walk_forward import Frames, Judged

FRESH = Contract(kind="dataset.freshness", config={"role": "prices", "sessions": 3}, enforce="block")


@pytest.mark.parametrize(
    ("as_of", "age"),
    [(datetime(2023, 1, 9, 22, tzinfo=UTC), 7), (datetime(2023, 1, 3, 22, tzinfo=UTC), 3)],
    ids=["stale", "just fresh"],
)
def test_prices_that_are_seven_sessions_old_are_stale(
    market: Frames, whole_signal: Judged, as_of: datetime, age: int, tmp_path: Path
):
    output = tmp_path / "output.parquet"
    whole_signal.predictions.tail(20).write_parquet(output)
    closes = partial(ExchangeSessions().closes, "XNYS")
    prices = MeasuredInput(rows=lambda: market["prices"], sessions=closes)
    measured = ParquetMeasurer().measure([FRESH], output, MeasuredRun(as_of=as_of, inputs={"prices": prices}))
    report = evaluate("run_complete", "inference_run:r", [FRESH], measured, None, "staging")
    assert measured.items[0].observed["age_sessions"] == age
    codes = ["dataset.freshness"] if age > 3 else []
    assert [issue.code for issue in report.issues] == codes
    assert report.enforced_as == ("blocked" if codes else "passed")


@pytest.fixture(scope="module")
def moods(market: Frames) -> tuple[GaussianHMM, pl.DataFrame]:
    """Two states of the index's daily return and volatility, fitted up to 2012, and the years after."""
    whole = observed(market["index"])
    model = GaussianHMM(2, covariance_type="full", n_iter=100, random_state=0)
    model.fit(values(whole.filter(pl.col("date") < date(2013, 1, 1))))
    return model, market["index"].filter(pl.col("date").is_between(date(2013, 1, 1), date(2014, 6, 30)))


def observed(index: pl.DataFrame) -> pl.DataFrame:
    rows = index.sort("date").with_columns(pl.col("close").pct_change().alias("r"))
    volatility = pl.col("r").rolling_std(21).log().alias("v")
    return rows.with_columns(volatility).drop_nulls(["r", "v"]).select("entity", "date", "r", "v")


def values(rows: pl.DataFrame) -> np.ndarray:
    return rows.select("r", "v").to_numpy()


def filtered(model: GaussianHMM, rows: np.ndarray) -> np.ndarray:
    """The forward pass: each day's probability from that day and those before it."""
    likelihood = model._compute_log_likelihood(rows)  # the library only smooths
    shares = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    found = np.empty_like(shares)
    prior = model.startprob_
    for day, share in enumerate(shares):
        posterior = prior * share
        found[day] = posterior / posterior.sum()
        prior = found[day] @ model.transmat_
    return found


def of_frame(probabilities: np.ndarray, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("entity", "date").with_columns(p_high=pl.Series(probabilities[:, 0]))


def test_a_smoothed_regime_looks_ahead(moods: tuple[GaussianHMM, pl.DataFrame]):
    model, index = moods

    def smoothed(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        seen = observed(rows)
        if seen.is_empty():  # a cut before there is a volatility
            return of_frame(np.empty((0, 2)), seen)
        return of_frame(model.predict_proba(values(seen)), seen)

    report = validate_no_lookahead(smoothed, index, warm_up=30)
    assert {finding.code for finding in report.findings} == {"pit.lookahead"}
    assert {finding.column for finding in report.findings} == {"p_high"}


def test_a_filtered_regime_does_not(moods: tuple[GaussianHMM, pl.DataFrame]):
    model, index = moods

    def forward(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        seen = observed(rows)
        return of_frame(filtered(model, values(seen)), seen)

    assert not validate_no_lookahead(forward, index, warm_up=30).findings


def test_smoothing_moves_probabilities_by_what_was_not_known_yet(moods: tuple[GaussianHMM, pl.DataFrame]):
    model, index = moods
    rows = values(observed(index))
    assert np.abs(model.predict_proba(rows) - filtered(model, rows)).max() > 0.01
