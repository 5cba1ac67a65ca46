import polars as pl
import pytest
from optaic.mlops.base import Evaluation

from training.evaluator import Evaluator
from training.features import RULES, Features
from training.target import Target
from training.trainer import Trainer


def closes(frames: dict[str, pl.DataFrame], entity: str) -> list[float]:
    return frames["prices"].filter(pl.col("entity") == entity).sort("date")["close"].to_list()


def raw(frames: dict[str, pl.DataFrame], entity: str, column: str) -> float:
    rows = Features().raw(frames).filter(pl.col("entity") == entity).sort("date")
    return rows[column][-1]


def test_the_rules_are_what_their_names_say(frames):
    prices = closes(frames, "e2")
    assert raw(frames, "e2", "momentum") == pytest.approx(prices[-22] / prices[-253] - 1)
    assert raw(frames, "e2", "reversal") == pytest.approx(1 - prices[-1] / prices[-6])
    moves = pl.Series([now / before - 1 for before, now in zip(prices[-64:-1], prices[-63:], strict=True)])
    assert raw(frames, "e2", "low_volatility") == pytest.approx(-moves.std())


@pytest.mark.parametrize("days", [30, 254, 300])
def test_features_do_not_look_ahead(frames, days):
    last = frames["prices"]["date"].unique().sort()[days]
    cut = {"prices": frames["prices"].filter(pl.col("date") <= last)}
    assert Features().compute(cut).equals(Features().compute(frames).filter(pl.col("date") <= last))


def test_the_price_level_does_not_matter(frames):
    tripled = {"prices": frames["prices"].with_columns(pl.col("close") * 3)}
    assert Features().compute(tripled).equals(Features().compute(frames))


def test_the_target_leaves_out_the_sessions_whose_outcome_is_not_known(frames):
    assert Target().compute(frames, 5)["date"].n_unique() == 325


def test_decisions_are_those_of_the_learned_signal(frames):
    days = frames["prices"]["date"].unique().sort().to_list()
    assert Trainer().decision_dates(days) == days[260::5]


def test_every_rule_has_its_figures(frames):
    rows = Features().compute(frames).drop_nulls()
    judged = rows.join(Target().compute(frames, 5), on=["date", "entity"])
    figures = Evaluator().evaluate(Evaluation(judged))
    assert figures["rank_ic"] == figures["momentum.rank_ic"]
    assert {f"{rule}.rank_ic" for rule in RULES} <= set(figures)
