"""Comparing by bisection tells what plain joins tell, in whatever order and with whatever keys rows come."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports import MeasuredInput, MeasuredRun
from domain.guardrails import filter_subset, model_stability, signal_coverage
from infrastructure.guardrail_measures import comparisons, frames
from infrastructure.guardrail_measures.figures import Figures
from infrastructure.guardrail_measures.matching import keys_of, names_of, places_of
from tests.guardrails import former_measures

DAYS = tuple(date(1969, 12, 30) + timedelta(days=n) for n in range(5))
NAMES = ("", "A", "B", "Z", "a", "é")
NONE_TOO: Any = st.one_of(st.none(), st.sampled_from(NAMES))
VALUES: Any = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 0.5, 1.0, float("nan"), float("inf")]))
ROWS: Any = st.lists(st.tuples(st.one_of(st.none(), st.sampled_from(DAYS)), NONE_TOO, VALUES), max_size=25)
WHOLE: Any = st.lists(st.tuples(st.sampled_from(DAYS), st.sampled_from(NAMES), VALUES), max_size=25)
SCHEMA: Any = {"date": pl.Date, "entity": pl.String, "signal": pl.Float64}


def frame(rows: list[tuple[Any, ...]], *, in_order: bool) -> pl.DataFrame:
    made = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return made.sort("date", "entity", maintain_order=True) if in_order else made


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 21, tzinfo=UTC)


def known(figures: Figures | None) -> tuple[Any, ...]:
    assert figures is not None
    observed = {name: pytest.approx(value, abs=1e-12) for name, value in figures.observed.items()}
    return figures.breaching, observed, figures.keys


@given(ROWS, ROWS, st.booleans())
def test_a_place_is_the_first_row_with_the_key(
    ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]], in_order: bool
) -> None:
    wanted, given_rows = frame(ours, in_order=in_order), frame(theirs, in_order=in_order)
    names = names_of(given_rows)
    found = places_of(keys_of(wanted, names), keys_of(given_rows, names)).to_list()
    keys = list(given_rows.select("date", "entity").rows())
    asked = wanted.select("date", "entity").rows()
    assert found == [keys.index(key) if None not in key and key in keys else None for key in asked]


@given(WHOLE, ROWS, st.booleans())
def test_a_subset_is_judged_as_by_a_join(
    ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]], in_order: bool
) -> None:
    output, rows = frame(ours, in_order=in_order), frame(theirs, in_order=in_order)
    run = MeasuredRun(inputs={"signals": MeasuredInput(rows=lambda: rows)})
    for columns in (("signal",), ("signal", "other"), ()):
        config = filter_subset.Config(role="signals", columns=columns)
        assert known(comparisons.subset(config, output, run)) == known(
            former_measures.subset(config, output, run)
        )


@given(WHOLE, WHOLE, st.booleans())
def test_stability_is_judged_as_by_a_join(
    ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]], in_order: bool
) -> None:
    output, rows = frame(ours, in_order=in_order), frame(theirs, in_order=in_order)
    run = MeasuredRun(inputs={"former": MeasuredInput(rows=lambda: rows)})
    config = model_stability.Config(column="signal", at_least=-0.123, reference="former")
    assert known(comparisons.stability(config, output, run)) == known(
        former_measures.stability(config, output, run)
    )


LISTED: Any = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(DAYS), st.sampled_from(DAYS), st.sampled_from("UUD")),
    max_size=15,
)


@given(WHOLE, LISTED, st.booleans(), st.sampled_from([None, "signal", "other"]))
def test_a_universe_is_judged_as_by_a_join(
    ours: list[tuple[Any, ...]], listed: list[tuple[Any, ...]], in_order: bool, column: str | None
) -> None:
    revisions = pl.DataFrame(
        [(name, day, at(known_on), seq, op) for seq, (name, day, known_on, op) in enumerate(listed)],
        schema={
            "entity": pl.String,
            "date": pl.Date,
            "knowledge_date": pl.Datetime("us", "UTC"),
            "seq": pl.Int64,
            "op": pl.String,
        },
        orient="row",
    )
    source = MeasuredInput(rows=revisions.clear, revisions=lambda: revisions)
    run = MeasuredRun(decisions={day: at(day) for day in DAYS[1:]}, inputs={"universe": source})
    config = signal_coverage.Config(universe="universe", at_least=0.6, column=column)
    output = frame(ours, in_order=in_order)
    assert known(frames.coverage(config, output, run)) == known(former_measures.covered(config, output, run))
