"""Backfills, retries, reproductions and what follows runs: real bus, log and policies, no process."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain.model_instance.commands import ArchiveInstance
from domain.model_instance.specification import Config, PromotionPolicy, Schedule
from domain.point_in_time import PitModelFromFuture
from domain.run.commands import (
    BackfillInstance,
    CompleteRun,
    FailRun,
    ReproduceRun,
    RetryRun,
    StartRun,
    SubmitRun,
)
from domain.run.errors import RunBackfillInvalid, RunNotReproducible, RunNotRetryable, RunTriggerReserved
from domain.run.events import RunReproduced, RunSubmitted
from tests.application.test_policies import Follower
from tests.support.desk import GOOD_RANK_IC, Desk, command_id, predictions, prices
from tests.support.valid import NOW

XNYS = Config(calendar="XNYS")


@pytest.fixture
def follower(desk: Desk) -> Follower:
    return Follower(desk)


def submissions(desk: Desk, after: int = 0) -> list[RunSubmitted]:
    return [one.event for one in desk.since(after) if isinstance(one.event, RunSubmitted)]


def work_off(desk: Desk, follower: Follower) -> None:
    """Complete every run, and those that follow, as an executor would."""
    done: set[str] = set()
    while waiting := [run for run in submissions(desk) if run.run_id not in done]:
        for run in waiting:
            done.add(run.run_id)
            if desk.run_state(run.run_id).status == "pending":
                desk.start(run.run_id)
                desk.send(completion(desk, run))
        follower.catch_up()


def completion(desk: Desk, run: RunSubmitted) -> CompleteRun:
    if run.kind == "training":
        return desk.completion(run.run_id)
    if run.kind == "monitoring":
        return CompleteRun(run_id=run.run_id)
    assert run.model is not None
    last = run.decisions.last if run.decisions else run.as_of.date()
    while last.weekday() > 4:
        last -= timedelta(days=1)
    rows = predictions(
        datetime.combine(last, datetime.min.time(), UTC).replace(hour=21), model_version=run.model.number
    )
    return CompleteRun(run_id=run.run_id, output_sha256=desk.blob(rows))


BACKFILL: dict[str, Any] = {"instance": "spx-alpha", "first": date(2023, 1, 1), "last": date(2025, 12, 31)}


def test_a_backfill_with_a_refit_is_k_trainings_and_k_inferences_of_one_workflow(
    desk: Desk, follower: Follower
) -> None:
    automatic = PromotionPolicy(mode="automatic", metric="rank_ic", at_least=0.02)
    desk.ready(GOOD_RANK_IC, config=XNYS, promotion_policy=automatic)
    start = desk.log.head()
    desk.send(BackfillInstance(**BACKFILL, refit="1y"))
    assert [run.as_of for run in submissions(desk, start)] == [
        datetime(2022, 12, 30, 21, tzinfo=UTC),
        datetime(2023, 12, 29, 21, tzinfo=UTC),
        datetime(2024, 12, 31, 21, tzinfo=UTC),
    ]
    work_off(desk, follower)
    runs = submissions(desk, start)
    assert [run.kind for run in runs] == ["training"] * 3 + ["inference"] * 3
    assert [run.model and run.model.number for run in runs[3:]] == [1, 2, 3]
    assert [run.decisions and run.decisions.first.year for run in runs[3:]] == [2023, 2024, 2025]
    workflow = [one for one in desk.since(start) if isinstance(one.event, RunSubmitted)]
    assert len({one.correlation_id for one in workflow}) == 1
    assert all(run.refit for run in runs)
    assert desk.instance_state().active is None
    assert [desk.version_state(n).stage for n in (1, 2, 3)] == ["staging"] * 3


def test_a_backfill_that_lost_its_service_goes_on_without_doubling(desk: Desk, follower: Follower) -> None:
    desk.ready(config=XNYS)
    start = desk.log.head()
    desk.send(BackfillInstance(**BACKFILL, refit="1y"))
    first, second, _ = submissions(desk, start)
    lost = {"code": "run.worker_lost", "message": "the service ended"}
    desk.start(first.run_id)
    desk.send(FailRun(run_id=first.run_id, **lost))
    follower.catch_up()
    desk.start(second.run_id)
    desk.send(desk.completion(second.run_id))
    follower.catch_up()
    inference = submissions(desk)[-1]
    desk.start(inference.run_id)
    desk.send(FailRun(run_id=inference.run_id, **lost))
    follower.catch_up()
    again = Follower(desk)
    again.position = start
    again.catch_up()
    work_off(desk, follower)
    runs = submissions(desk, start)
    assert [run.retry_of for run in runs if run.retry_of] == [first.run_id, inference.run_id]
    ended = [run for run in runs if desk.run_state(run.run_id).status == "completed"]
    assert sorted(run.kind for run in ended) == ["inference"] * 3 + ["training"] * 3
    assert desk.instance_state().last_number == 3


def test_what_keeps_getting_lost_is_given_up(desk: Desk, follower: Follower) -> None:
    desk.ready(config=XNYS)
    desk.send(BackfillInstance(**{**BACKFILL, "last": date(2023, 6, 1)}, refit="1y"))
    for _ in range(6):
        run = submissions(desk)[-1]
        if desk.run_state(run.run_id).status == "pending":
            desk.start(run.run_id)
            desk.send(FailRun(run_id=run.run_id, code="run.lease_expired", message="silent"))
        follower.catch_up()
    assert len(submissions(desk)) == 4


def test_a_failure_of_the_run_itself_is_not_retried(desk: Desk, follower: Follower) -> None:
    desk.ready(config=XNYS)
    desk.send(BackfillInstance(**{**BACKFILL, "last": date(2023, 6, 1)}, refit="1y"))
    (run,) = submissions(desk)
    desk.start(run.run_id)
    desk.send(FailRun(run_id=run.run_id, code="run.crashed", message="exit 1"))
    assert follower.catch_up() == []


def test_the_same_backfill_twice_is_one(desk: Desk) -> None:
    desk.ready(config=XNYS)
    for _ in range(2):
        desk.send(BackfillInstance(**BACKFILL, refit="1y"), command_id=command_id(7))
    assert len(submissions(desk)) == 3


def test_without_a_refit_each_date_takes_the_newest_version_that_had_seen_nothing_later(desk: Desk) -> None:
    desk.ready(config=XNYS)
    for year in (2022, 2024):
        desk.train(as_of=datetime(year, 6, 28, 22, tzinfo=UTC))
    start = desk.log.head()
    desk.send(BackfillInstance(**BACKFILL))
    found = [(run.model and run.model.number, run.decisions) for run in submissions(desk, start)]
    assert [(number, ends and (ends.first, ends.last)) for number, ends in found] == [
        (1, (date(2023, 1, 1), date(2024, 6, 30))),
        (2, (date(2024, 7, 1), date(2025, 12, 31))),
    ]
    earlier = BackfillInstance(**{**BACKFILL, "first": date(2022, 1, 1)})
    desk.refused(PitModelFromFuture, earlier)


def test_a_backfill_that_refits_names_no_version_and_no_moment(desk: Desk) -> None:
    desk.ready(config=XNYS)
    for more in ({"model_version": 1}, {"as_of": NOW}, {"first": date(2026, 1, 1), "last": date(2025, 1, 1)}):
        desk.refused(RunBackfillInvalid, BackfillInstance(**{**BACKFILL, **more}, refit="1y"))


def test_a_retry_is_pinned_like_the_run_that_failed(desk: Desk) -> None:
    desk.ready()
    run_id = desk.submit(params={"depth": 4})
    desk.refused(RunNotRetryable, RetryRun(run_id=run_id))
    desk.start(run_id)
    desk.send(FailRun(run_id=run_id, code="run.crashed", message="exit 1"))
    desk.upload(prices(2, first=5))
    desk.send(RetryRun(run_id=run_id))
    first, second = submissions(desk)
    assert (second.retry_of, second.inputs, second.config) == (run_id, first.inputs, first.config)
    assert second.run_id != run_id


def reproduced(
    desk: Desk, run_id: str, *, metrics: dict[str, float] | None = None, model: str | None = None
) -> RunReproduced:
    head = desk.log.head()
    desk.send(ReproduceRun(run_id=run_id))
    (run,) = submissions(desk, head)
    desk.start(run.run_id)
    done = desk.completion(run.run_id)
    original = next(one for one in desk.since(0) if one.action == "training_run.completed")
    artifact = getattr(original.event, "artifact", None) if model is None else done.artifact
    desk.send(CompleteRun(run_id=run.run_id, metrics=metrics or {"rank_ic": 0.03}, artifact=artifact))
    event = desk.last()[0]
    assert isinstance(event, RunReproduced)
    return event


def test_a_reproduction_that_is_equal_says_so_and_registers_nothing(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    desk.train()
    run_id = submissions(desk)[0].run_id
    head = desk.log.head()
    verdict = reproduced(desk, run_id)
    assert (verdict.verdict, verdict.run_id, verdict.differences) == ("equal", run_id, ())
    assert desk.instance_state().last_number == 1
    actions = [one.action for one in desk.since(head)]
    assert actions == [
        "training_run.submitted",
        "training_run.started",
        "training_run.completed",
        "training_run.reproduced",
    ]
    assert submissions(desk)[1].inputs == submissions(desk)[0].inputs


def test_a_reproduction_that_differs_says_in_what(desk: Desk) -> None:
    desk.ready()
    desk.train()
    run_id = submissions(desk)[0].run_id
    verdict = reproduced(desk, run_id, metrics={"rank_ic": 0.03, "extra": 1.0}, model="another")
    assert (verdict.verdict, verdict.equal_artifact, verdict.equal_metrics) == ("differs", False, False)
    assert [one.what for one in verdict.differences] == ["artifact", "metric extra"]
    assert (verdict.differences[1].recorded, verdict.differences[1].reproduced) == (None, "1.0")


def test_the_environment_is_compared_and_is_no_part_of_the_verdict(desk: Desk) -> None:
    desk.ready()
    run_id = desk.submit()
    desk.send(StartRun(run_id=run_id, worker="w1", distributions={"polars": "1.0", "numpy": "2.0"}))
    desk.send(desk.completion(run_id))
    verdict = reproduced(desk, run_id)
    assert verdict.verdict == "equal"
    assert [(one.what, one.recorded, one.reproduced) for one in verdict.environment] == [
        ("distribution numpy", "2.0", None),
        ("distribution polars", "1.0", None),
    ]


def test_only_completed_trainings_of_our_own_are_reproduced(desk: Desk) -> None:
    desk.ready()
    pending = desk.submit()
    desk.refused(RunNotReproducible, ReproduceRun(run_id=pending))
    external = desk.start(desk.submit(executor="external"))
    desk.send(desk.completion(external))
    desk.refused(RunNotReproducible, ReproduceRun(run_id=external))
    own = SubmitRun(instance="spx-alpha", kind="training", trigger=f"reproduce:{pending}")
    desk.refused(RunTriggerReserved, own)


def test_a_training_of_an_archived_instance_is_still_reproduced(desk: Desk, follower: Follower) -> None:
    desk.ready()
    desk.train()
    run_id = submissions(desk)[0].run_id
    desk.send(ArchiveInstance(name="spx-alpha"))
    assert reproduced(desk, run_id).verdict == "equal"
    assert follower.catch_up() == []


def test_new_predictions_are_judged_in_the_same_workflow_where_the_instance_says_so(
    desk: Desk, follower: Follower
) -> None:
    own = Schedule(kind="monitoring", after_dataset="spx-alpha-predictions")
    desk.ready(config=XNYS, schedules=(own,))
    desk.promoted()
    follower.catch_up()
    desk.inferred(predictions(NOW - timedelta(days=1)))
    inference = next(one for one in desk.since(0) if one.action == "inference_run.submitted")
    (submitted,) = follower.catch_up()
    assert submitted.action == "monitoring_run.submitted"
    assert submitted.correlation_id == inference.correlation_id
    assert isinstance(submitted.event, RunSubmitted)
    assert submitted.event.model is not None


def test_predictions_are_not_judged_by_themselves_unless_asked(desk: Desk, follower: Follower) -> None:
    desk.ready(schedules=(Schedule(kind="monitoring", after_dataset="spx-alpha-predictions", enabled=False),))
    desk.promoted()
    follower.catch_up()
    desk.inferred(predictions(NOW - timedelta(days=1)))
    assert follower.catch_up() == []


def test_predictions_of_a_backfill_are_followed_by_nothing(desk: Desk, follower: Follower) -> None:
    own = Schedule(kind="monitoring", after_dataset="spx-alpha-predictions")
    desk.ready(config=XNYS, schedules=(own,))
    desk.promoted()
    follower.catch_up()
    desk.send(BackfillInstance(**{**BACKFILL, "first": date(2025, 12, 1)}, refit="1y"))
    work_off(desk, follower)
    assert [run.kind for run in submissions(desk)].count("monitoring") == 0
    assert any(one.action == "dataset_version.written" for one in desk.since(0))
