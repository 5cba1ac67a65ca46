"""Part 4: models on models. Signals are combined, the combination is filtered, out of sample all the way."""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from application.queries import Paging, RunFilter
from application.views import RunView
from domain.model_instance.commands import CreateInstance
from domain.model_instance.specification import Config, DatasetBinding
from domain.model_version.commands import PromoteVersion
from domain.run.commands import BackfillInstance
from domain.run.folds import blocks
from domain.shared.references import NodeRef
from infrastructure.demo.chapters import OWNER, RESEARCHER, SIGNAL, last_close
from infrastructure.demo.stage import Stage

RULES, BLEND, PICKS, DRIVERS = "spx-rules", "spx-blend", "spx-picks", "move-drivers"
PRICES = DatasetBinding(dataset="us-prices", role="prices")
INDEX = DatasetBinding(dataset="us-index", role="index")
LAST = date(2022, 12, 31)
STABLE = 0.7
KEPT = 10


@dataclass(frozen=True)
class Plan:
    """From which year each instance predicts and how often it is refitted; what was measured that way."""

    signal: tuple[int, str]
    blend: tuple[int, str]
    picks: tuple[int, str]
    blend_ic: float
    equal_ic: float


SMALL = Plan((2005, "8y"), (2009, "7y"), (2021, "2y"), blend_ic=0.0194, equal_ic=0.0183)
FULL = Plan((2005, "1y"), (2009, "1y"), (2014, "1y"), blend_ic=0.0187, equal_ic=0.0195)
"""As docs/scenarios.md says: few refits, and every year's."""


def play(stage: Stage, *, full: bool) -> None:
    """Scenarios 1 → 4 → 5 chained, and what scenario 3 says of the features."""
    plan = FULL if full else SMALL
    _signals(stage, plan)
    _blend(stage, plan)
    _picks(stage, plan)
    _drivers(stage)
    _origins(stage)


def _signals(stage: Stage, plan: Plan) -> None:
    """The learned signal's past by refits, and beside it the rules that learn nothing."""
    _create(stage, RULES, "rule-signals", "Momentum, reversal, low volatility.", (PRICES,))
    year, refit = plan.signal
    made = _refitted(stage, SIGNAL, year, date(2020, 12, 31), refit)
    trained = stage.run(RULES, "training", RESEARCHER, as_of=last_close(stage, year - 1))
    first = date(year, 1, 1)
    number = trained.model_version
    done = stage.run(RULES, "inference", RESEARCHER, model_version=number, first=first, last=LAST)
    known_before = _newest_rows(stage, SIGNAL).select(pl.col("trained_as_of") <= pl.col("knowledge_date"))
    stage.account.claim(bool(known_before.to_series().all()), "a model saw its own decision")
    stage.account.line(
        f"  {SIGNAL}     its past by refits: {made} more versions, each predicted only what came after it, "
        f"{year} to 2020"
    )
    stage.account.line(
        f"  {RULES}@{number}   three rules that learn nothing · {done.facts['decisions']} decision days "
        "x 20 stocks"
    )


def _blend(stage: Stage, plan: Plan) -> None:
    learned = DatasetBinding(dataset=f"{SIGNAL}-predictions", role="learned")
    rules = DatasetBinding(dataset=f"{RULES}-predictions", role="rules")
    _create(
        stage,
        BLEND,
        "nnls-combiner",
        "One signal out of four.",
        (learned, rules, PRICES),
        (learned, rules),
        stacked=True,
    )
    year, refit = plan.blend
    _refitted(stage, BLEND, year, LAST, refit)
    judged = _promoted_and_judged(stage, BLEND)
    blend, equal = judged.metrics["rank_ic"], judged.metrics["equal_weights.rank_ic"]
    for found, measured in ((blend, plan.blend_ic), (equal, plan.equal_ic)):
        _claim_near(stage, found, measured)
    verdict = "does not beat" if blend <= equal else "beats"
    stage.account.line(
        f"  {BLEND}     four signals in one · {judged.metrics['dates']:.0f} dates realised · "
        f"rank IC {blend:.3f} (expected {plan.blend_ic:.3f} ± {_slack(plan.blend_ic):.3f}); "
        f"it {verdict} equal weights, {equal:.3f}"
    )


def _picks(stage: Stage, plan: Plan) -> None:
    signals = DatasetBinding(dataset=f"{BLEND}-predictions", role="signals")
    _create(
        stage,
        PICKS,
        "ranker-filter",
        "Ten of twenty signals.",
        (signals, PRICES, INDEX),
        stacked=True,
    )
    year, refit = plan.picks
    _refitted(stage, PICKS, year, LAST, refit)
    newest = _newest_training(stage, PICKS)
    kept, rejected = newest.metrics["kept_bps"], newest.metrics["rejected_bps"]
    stage.account.claim(kept > rejected, f"kept {kept} bps, rejected {rejected} bps")
    judged = _promoted_and_judged(stage, PICKS)
    stage.account.claim(_is_subset(stage, PICKS, BLEND), "the picks are not ten signals a date as they were")
    stage.account.line(
        f"  {PICKS}     ten of twenty kept, unchanged · out of sample kept {kept:.1f} bps, rejected "
        f"{rejected:.1f} bps per 5 days (expected kept > rejected) · "
        f"{judged.facts['realised']} picks realised"
    )


def _drivers(stage: Stage) -> None:
    """Scenario 3, small: relevance of the features for the size of a move, noise last."""
    _create(stage, DRIVERS, "feature-relevance", "What says how far a price moves.", (PRICES, INDEX))
    trained = stage.run(DRIVERS, "training", RESEARCHER, as_of=last_close(stage, 2014))
    number, first, last = trained.model_version, date(2015, 1, 1), date(2015, 12, 31)
    done = stage.run(DRIVERS, "inference", RESEARCHER, model_version=number, first=first, last=last)
    rows = stage.rows(done.output_dataset, done.dataset_version, first=first)
    ranked = rows.filter(rows["date"] == rows["date"].max()).sort("rank")["entity"].to_list()
    stage.account.claim(ranked[-1] == "noise", f"noise is not last: {ranked}")
    stable = trained.metrics["half_stability"]
    stage.account.claim(stable >= STABLE, f"the scores' stability is {stable}")
    stage.account.line(
        f"  {DRIVERS}@{number}  what says how far a price moves: {ranked[0]}, {ranked[1]} first, "
        f"{ranked[-1]} last of {len(ranked)} · stability {stable:.2f} (at least {STABLE})"
    )


def _origins(stage: Stage) -> None:
    """The filtered signal's way back to the prices, through the model versions of three instances."""
    newest = stage.service.queries.newest_dataset_version(stage.tenant, f"{PICKS}-predictions")
    assert newest is not None
    lineage = stage.service.queries.lineage(
        stage.tenant, NodeRef.parse(f"dataset_version:{newest.ref}"), "up"
    )
    assert lineage is not None
    nodes = {node.node for node in lineage.nodes}
    models = {node.instance for node in lineage.nodes if node.type == "model_version"}
    stage.account.claim("dataset_version:us-prices@1" in nodes, "the picks do not reach the prices")
    stage.account.claim(models == {SIGNAL, RULES, BLEND, PICKS}, f"the picks come from {models}")
    count = sum(node.type == "model_version" for node in lineage.nodes)
    stage.account.line(
        f"  {newest.ref} ← {PICKS} ← {BLEND} ← {SIGNAL} ← us-prices@1: three models deep, "
        f"{count} model versions, {len(lineage.nodes)} nodes in all"
    )


def _newest_rows(stage: Stage, instance: str) -> pl.DataFrame:
    """All predictions of an instance."""
    newest = stage.service.queries.newest_dataset_version(stage.tenant, f"{instance}-predictions")
    assert newest is not None
    return stage.rows(f"{instance}-predictions", newest.number, first=date.min)


def _is_subset(stage: Stage, kept: str, given: str) -> bool:
    """Ten rows a date, each with the key and the value of its input."""
    rows, source = _newest_rows(stage, kept), _newest_rows(stage, given)
    same = rows.join(source, on=["date", "entity", "signal"], how="semi")
    return same.height == rows.height and set(rows.group_by("date").len()["len"]) == {KEPT}


def _create(
    stage: Stage,
    name: str,
    definition: str,
    description: str,
    training: tuple[DatasetBinding, ...],
    inference: tuple[DatasetBinding, ...] | None = None,
    *,
    stacked: bool = False,
) -> None:
    """An instance on daily sessions; `stacked`: its inputs are decisions already and lag themselves."""
    lag, age = (0, 1) if stacked else (1, None)
    command = CreateInstance(
        name=name,
        definition=f"{definition}@1.0.0",
        description=description,
        training_datasets=training,
        inference_datasets=training if inference is None else inference,
        outcome_dataset="us-prices",
        config=Config(calendar="XNYS", feature_lag=lag, horizon=5, max_age=age),
        owner=OWNER,
    )
    stage.send(command, RESEARCHER)


def _refitted(stage: Stage, instance: str, first: int, last: date, every: str) -> int:
    """Backfill an instance's predictions by refits, one workflow; returns how many versions it took."""
    begin = date(first, 1, 1)
    before = len(_runs(stage, instance, "inference"))
    wanted = before + len(blocks(begin, last, every))
    stage.send(BackfillInstance(instance=instance, first=begin, last=last, refit=every), RESEARCHER)
    with stage.account.working(f"refits of {instance}"):
        stage.until(lambda: _all_predicted(stage, instance, wanted))
    return wanted - before


def _all_predicted(stage: Stage, instance: str, wanted: int) -> bool | None:
    for kind in ("training", "inference"):
        runs = _runs(stage, instance, kind)
        failed = [run.error.message for run in runs if run.error is not None]
        stage.account.claim(not failed, f"a refit of {instance} failed: {failed[:1]}")
        if kind == "inference" and sum(run.ended is not None for run in runs) >= wanted:
            return True
    return None


def _runs(stage: Stage, instance: str, kind: str) -> tuple[RunView, ...]:
    found = stage.service.queries.runs(
        stage.tenant, RunFilter(instance=instance, kind=kind), Paging(limit=200)
    )
    return tuple(found.items)


def _newest_training(stage: Stage, instance: str) -> RunView:
    """The training that had seen most."""
    return max(_runs(stage, instance, "training"), key=_seen)


def _seen(run: RunView) -> datetime:
    return run.as_of


def _promoted_and_judged(stage: Stage, instance: str) -> RunView:
    """Promote the version that had seen most, then measure all predictions by what came of them."""
    number = _newest_training(stage, instance).model_version
    assert number is not None
    stage.send(PromoteVersion(instance=instance, number=number), OWNER, "refits done, gate passed")
    return stage.run(instance, "monitoring", RESEARCHER)


def _claim_near(stage: Stage, found: float, measured: float) -> None:
    slack = _slack(measured)
    stage.account.claim(abs(found - measured) <= slack, f"rank IC {found} is not {measured} ± {slack}")


def _slack(measured: float) -> float:
    """docs/scenarios.md: 25 %, or 0.01 where that is more."""
    return max(0.25 * abs(measured), 0.01)
