"""Any causal rolling function passes; any that reads a later row of the same entity fails."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from optaic.mlops.lookahead import validate_no_lookahead

CLOSE = pl.col("close")

ROLLING = {
    "mean": CLOSE.rolling_mean,
    "deviation": lambda n: CLOSE.rolling_std(max(n, 2)),
    "highest": CLOSE.rolling_max,
    "lag": CLOSE.shift,
    "change": lambda n: CLOSE / CLOSE.shift(n) - 1,
    "place": lambda n: (CLOSE - CLOSE.rolling_min(n)) / CLOSE.rolling_max(n),
    "half-life": lambda n: CLOSE.ewm_mean(half_life=n),
}


@st.composite
def histories(draw: st.DrawFn) -> pl.DataFrame:
    """Up to three entities that begin on different days, each row known some hours after its day began."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sessions = draw(st.integers(12, 80))
    delay = timedelta(hours=draw(st.integers(0, 96)))
    parts: list[pl.DataFrame] = []
    for number in range(draw(st.integers(1, 3))):
        days = range(draw(st.integers(0, 5)) if number else 0, sessions)
        known = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) + delay for day in days]
        parts.append(
            pl.DataFrame(
                {
                    "entity": [f"e{number}"] * len(days),
                    "date": [date(2020, 1, 1) + timedelta(days=day) for day in days],
                    "knowledge_date": pl.Series(known, dtype=pl.Datetime("us", "UTC")),
                    "close": np.exp(random.normal(3, 0.5, len(days))),
                }
            )
        )
    return pl.concat(parts).sample(fraction=1, shuffle=True, seed=draw(st.integers(0, 99)))


def over_entities(rows: pl.DataFrame, value: pl.Expr) -> pl.DataFrame:
    return rows.sort("entity", "date").select("entity", "date", value.over("entity").alias("x"))


@settings(max_examples=60, deadline=None)
@given(histories(), st.sampled_from(sorted(ROLLING)), st.integers(1, 100))
def test_any_causal_rolling_function_passes(rows: pl.DataFrame, kind: str, window: int) -> None:
    value = ROLLING[kind](window)
    report = validate_no_lookahead(lambda known, _: over_entities(known, value), rows)
    assert report.findings == ()


@settings(max_examples=60, deadline=None)
@given(histories(), st.sampled_from(sorted(ROLLING)), st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_any_function_that_reads_a_later_row_of_the_same_entity_fails(
    rows: pl.DataFrame, kind: str, window: int, ahead: int, filled: bool
) -> None:
    value = ROLLING[kind](window).shift(-ahead)
    leaky = value.fill_null(CLOSE) if filled else value
    if kind == "lag":
        ahead += window
        leaky = CLOSE.shift(-ahead)
    report = validate_no_lookahead(lambda known, _: over_entities(known, leaky), rows)
    assert {finding.code for finding in report.findings} == {"pit.lookahead"}
