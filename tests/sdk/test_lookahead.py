"""Lookahead is found by cutting and changing what came later: honest functions pass, leaks are named."""

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from optaic.mlops.lookahead import (
    LookaheadReport,
    screen_rank_ic,
    screen_timestamps,
    validate_no_lookahead,
)

START = date(2020, 1, 1)
CLOSE = pl.col("close")


def known_at(day: int, hour: int = 21) -> datetime:
    return datetime(2020, 1, 1, hour, tzinfo=UTC) + timedelta(days=day)


def market(sessions: int = 300, entities: int = 3) -> pl.DataFrame:
    random = np.random.default_rng(4)
    keys = [(f"e{n}", day) for n in range(entities) for day in range(sessions)]
    steps = random.normal(0, 0.02, (entities, sessions)).cumsum(axis=1)
    return pl.DataFrame(
        {
            "entity": [entity for entity, _ in keys],
            "date": [START + timedelta(days=day) for _, day in keys],
            "knowledge_date": pl.Series([known_at(day) for _, day in keys], dtype=pl.Datetime("us", "UTC")),
            "close": 100 * np.exp(steps).ravel(),
        }
    )


def feature(expression: pl.Expr) -> Callable[[pl.DataFrame, datetime], pl.DataFrame]:
    def compute(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        ordered = rows.sort("entity", "date")
        return ordered.select("entity", "date", expression.over("entity").alias("x"))

    return compute


MOMENTUM = CLOSE / CLOSE.shift(63) - 1

HONEST = {
    "level": CLOSE,
    "momentum": MOMENTUM,
    "rolling deviation": CLOSE.rolling_std(21),
    "recursive mean": CLOSE.ewm_mean(alpha=0.1),
    "expanding z-score": (CLOSE - CLOSE.cum_sum() / CLOSE.cum_count()) / CLOSE.cum_max(),
    "forward fill": MOMENTUM.forward_fill(),
}

LEAKS = {
    "return ahead": CLOSE.shift(-3) / CLOSE - 1,
    "next day": CLOSE.shift(-1),
    "centred window": CLOSE.rolling_mean(5, center=True),
    "full-sample z-score": (CLOSE - CLOSE.mean()) / CLOSE.std(),
    "backward fill": MOMENTUM.backward_fill(),
    "short backward fill": MOMENTUM.backward_fill(20),
    "full-sample rank": CLOSE.rank(),
    "tiny leak": CLOSE.shift(-1) * 1e-13,
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_feature_passes(name: str) -> None:
    report = validate_no_lookahead(feature(HONEST[name]), market())
    assert report.findings == ()
    assert report.ok
    assert report.deterministic
    assert report.rows > 100
    assert report.evaluations == 2 + 2 * len(report.cuts)
    assert len(report.cuts) == 4


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_caught_and_named(name: str) -> None:
    report = validate_no_lookahead(feature(LEAKS[name]), market())
    assert not report.ok
    assert {finding.code for finding in report.findings} == {"pit.lookahead"}
    assert {finding.column for finding in report.findings} == {"x"}
    assert all(finding.count > 0 and finding.size > 0 and finding.first_date for finding in report.findings)


def test_a_cross_section_of_the_same_date_passes_and_one_of_all_dates_does_not() -> None:
    def ranked(by: str) -> Callable[[pl.DataFrame, datetime], pl.DataFrame]:
        return lambda rows, as_of: rows.select("entity", "date", CLOSE.rank().over(by).alias("x"))

    assert validate_no_lookahead(ranked("date"), market()).ok
    assert not validate_no_lookahead(ranked("entity"), market()).ok


def test_a_backward_fill_of_the_warm_up_is_caught_only_by_a_cut_inside_it() -> None:
    leaky = feature(LEAKS["backward fill"])
    late = [known_at(int(300 * share)) for share in (0.35, 0.6, 0.85)]
    assert validate_no_lookahead(leaky, market(), late).ok
    early = validate_no_lookahead(leaky, market(), [known_at(30), *late])
    assert {finding.cut for finding in early.findings} == {known_at(30)}
    assert {finding.mode for finding in early.findings} == {"truncate", "perturb"}


def test_a_smoother_is_caught_and_its_filter_passes() -> None:
    def smoothed(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        forward = CLOSE.ewm_mean(alpha=0.2).over("entity")
        backward = CLOSE.reverse().ewm_mean(alpha=0.2).reverse().over("entity")
        return rows.sort("entity", "date").select(
            "entity", "date", forward.alias("filtered"), ((forward + backward) / 2).alias("smoothed")
        )

    report = validate_no_lookahead(smoothed, market())
    assert {finding.column for finding in report.findings} == {"smoothed"}


def test_the_difference_is_told_exactly() -> None:
    cut = known_at(100)
    report = validate_no_lookahead(feature(LEAKS["return ahead"]), market(entities=1), [cut])
    truncated, perturbed = report.findings
    assert (truncated.mode, truncated.cut, truncated.count) == ("truncate", cut, 3)
    assert truncated.first_date == START + timedelta(days=98)
    assert truncated.size == float("inf")
    assert (perturbed.mode, perturbed.count) == ("perturb", 3)
    assert 0 < perturbed.size < 10
    assert "pit.lookahead x (truncate at cut 2020-04-10T21:00:00+00:00): 3 rows" in str(report)


def test_a_function_that_gives_something_else_each_time_is_said_to_be_so() -> None:
    calls = itertools.count()

    def moody(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        return rows.select("entity", "date", (CLOSE + next(calls)).alias("x"))

    report = validate_no_lookahead(moody, market())
    assert not report.ok
    assert not report.deterministic
    assert {finding.code for finding in report.findings} == {"pit.not_deterministic"}
    assert report.evaluations == 2


def test_rows_that_survived_are_a_leak_too() -> None:
    rows = market()
    died = rows.filter((pl.col("entity") != "e0") | (pl.col("date") < START + timedelta(days=200)))

    def survivors(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        alive = pl.col("date").max().over("entity") == pl.col("date").max()
        return rows.filter(alive).select("entity", "date", CLOSE.alias("x"))

    report = validate_no_lookahead(survivors, died)
    assert {finding.mode for finding in report.findings} == {"truncate"}


def test_cuts_go_by_knowledge_and_not_by_date() -> None:
    rows = market(100, 1)
    revision = rows.filter(pl.col("date") == START + timedelta(days=10)).with_columns(
        CLOSE * 2, pl.lit(known_at(60)).cast(pl.Datetime("us", "UTC")).alias("knowledge_date")
    )
    history = pl.concat([rows, revision])

    def newest(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        last = rows.sort("knowledge_date").unique(["entity", "date"], keep="last")
        return last.select("entity", "date", CLOSE.alias("x"))

    def first(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        return newest(rows.filter(pl.col("knowledge_date").dt.date() == pl.col("date")), as_of)

    cuts = [known_at(30)]
    found = validate_no_lookahead(newest, history, cuts).findings
    assert {(finding.first_date, finding.count) for finding in found} == {(START + timedelta(days=10), 1)}
    assert validate_no_lookahead(first, history, cuts).ok


def test_a_date_that_arrives_later_than_it_ends_is_judged_once_it_is_known() -> None:
    late = market().with_columns(pl.col("knowledge_date") + pl.duration(days=30))
    assert validate_no_lookahead(feature(HONEST["momentum"]), late).ok
    assert not validate_no_lookahead(feature(LEAKS["next day"]), late).ok


def test_several_inputs_are_cut_together() -> None:
    def beta(inputs: Mapping[str, pl.DataFrame], as_of: datetime) -> pl.DataFrame:
        index = inputs["index"].select("date", pl.col("close").alias("m"))
        return (
            inputs["prices"].join(index, on="date").select("entity", "date", (CLOSE / pl.col("m")).alias("x"))
        )

    def leaky(inputs: Mapping[str, pl.DataFrame], as_of: datetime) -> pl.DataFrame:
        ahead = inputs["index"].sort("date").with_columns(CLOSE.shift(-2))
        return beta({**inputs, "index": ahead}, as_of)

    inputs = {"prices": market(), "index": market(entities=1)}
    assert validate_no_lookahead(beta, inputs).ok
    assert not validate_no_lookahead(leaky, inputs).ok


def test_a_function_that_raises_at_a_cut_is_not_checked_there() -> None:
    def delicate(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        if rows.height < 200:
            raise RuntimeError("too few rows")
        return rows.select("entity", "date", CLOSE.alias("x"))

    report = validate_no_lookahead(delicate, market())
    assert not report.ok
    assert {finding.code for finding in report.findings} == {"pit.lookahead_not_checked"}
    assert "too few rows" in str(report)


def test_labels_and_whole_numbers_are_compared_too() -> None:
    def regime(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        high = CLOSE.median().over("entity").lt(CLOSE)
        return rows.select(
            "entity", "date", pl.when(high).then(pl.lit("up")).otherwise(pl.lit("down")).alias("regime")
        )

    counted = market().with_columns(CLOSE.round().cast(pl.Int64))
    report = validate_no_lookahead(regime, counted)
    assert {finding.column for finding in report.findings} == {"regime"}
    assert validate_no_lookahead(feature(CLOSE.shift(1)), counted).ok


@pytest.mark.parametrize("sessions", [1, 2, 3, 7])
def test_small_frames_can_be_checked(sessions: int) -> None:
    assert validate_no_lookahead(feature(CLOSE), market(sessions)).ok


def test_what_has_no_moment_is_refused() -> None:
    naive = market().with_columns(pl.col("knowledge_date").dt.replace_time_zone(None))
    with pytest.raises(ValueError, match="naive_timestamp"):
        validate_no_lookahead(feature(CLOSE), naive)
    with pytest.raises(ValueError, match="naive_timestamp"):
        validate_no_lookahead(feature(CLOSE), market(), [datetime(2020, 2, 1)])
    with pytest.raises(ValueError, match="no rows"):
        validate_no_lookahead(feature(CLOSE), market().head(0))


def test_timestamps_after_the_moment_are_screened() -> None:
    rows = market(10, 1)
    assert screen_timestamps(rows, known_at(9)).ok
    (finding,) = screen_timestamps(rows, known_at(7)).findings
    assert (finding.count, finding.first_date, finding.size) == (2, START + timedelta(days=8), 2 * 86400)
    with pytest.raises(ValueError, match="naive_timestamp"):
        screen_timestamps(rows, datetime(2020, 1, 3))


def test_a_feature_that_knows_the_label_is_screened_by_its_rank_ic() -> None:
    random = np.random.default_rng(5)
    keys = market(100, 20).select("entity", "date")
    label = random.normal(size=keys.height)
    features = keys.with_columns(
        pl.Series("noise", random.normal(size=keys.height)),
        pl.Series("good", 0.2 * label + random.normal(size=keys.height)),
        pl.Series("copy", -label),
    )
    report = screen_rank_ic(features, keys.with_columns(pl.Series("outcome", label)))
    assert {finding.column: finding.severity for finding in report.findings} == {
        "good": "warning",
        "copy": "error",
    }
    assert report.findings[1].size == pytest.approx(-1)


@pytest.mark.quiet
def test_the_leaky_feature_of_the_first_scenario_is_caught_on_real_prices_in_seconds() -> None:
    from infrastructure.demo.sources import us_prices

    rows = us_prices().uploads[0].select("entity", "date", "knowledge_date", "close")
    begun = time.monotonic()
    leaky: LookaheadReport = validate_no_lookahead(feature(LEAKS["return ahead"]), rows)
    assert time.monotonic() - begun < 5
    assert not leaky.ok
    assert validate_no_lookahead(feature(HONEST["momentum"]), rows, warm_up=64).ok
    ahead = feature(CLOSE.shift(-5) / CLOSE - 1)(rows, known_at(0)).rename({"x": "outcome"})
    leak = feature(LEAKS["return ahead"])(rows, known_at(0)).drop_nulls()
    assert [finding.severity for finding in screen_rank_ic(leak, ahead.drop_nulls()).findings] == ["error"]


def test_importing_the_checks_imports_nothing_heavy() -> None:
    code = (
        "import sys; from optaic.mlops import lookahead, monitoring; "
        "print([m for m in ('polars', 'numpy', 'pydantic', 'httpx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
