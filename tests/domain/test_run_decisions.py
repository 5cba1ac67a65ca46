"""Runs: pending, running, and one end."""

from typing import Any

import pytest

from domain.run import decider
from domain.run.commands import CompleteRun, FailRun, LogMetrics, StartRun
from domain.run.errors import (
    RunAlreadyClaimed,
    RunAlreadyFinished,
    RunExists,
    RunNotStarted,
    RunOutputMissing,
    RunOutputUnexpected,
    RunUnknown,
)
from domain.run.events import RunCancelled, RunCompleted, RunFailed, RunMetricsLogged, RunStarted
from domain.run.pins import Artifact, MetricPoint
from tests.support.given_when_then import Given
from tests.support.valid import RUN, digest, run_submitted

given = Given(decider.INITIAL, decider.evolve)
OF_RUN: Any = {"run_id": RUN, "kind": "training", "instance": "spx-alpha"}
ARTIFACT = Artifact(sha256=digest("artifact"), size_bytes=8, format="xgboost-json")
SUBMITTED = run_submitted()
STARTED = RunStarted(**OF_RUN, worker="w1", python="3.11", distributions={"numpy": "2", "polars": "2"})
RUNNING = (SUBMITTED, STARTED)
CANCELLED = RunCancelled(**OF_RUN)
FAILED = RunFailed(**OF_RUN, code="run.crashed", message="exit 1", log_sha256=None)
COMPLETED = RunCompleted(
    **OF_RUN,
    metrics={"a": 1.0, "b": 2.0},
    artifact=ARTIFACT,
    model_version=1,
    dataset_version=None,
    facts={},
    log_sha256=None,
)
ENDS = [COMPLETED, FAILED, CANCELLED]

START = StartRun(run_id=RUN, worker="w1", python="3.11", distributions={"polars": "2", "numpy": "2"})
COMPLETE = CompleteRun(run_id=RUN, metrics={"b": 2.0, "a": 1.0}, artifact=ARTIFACT)
POINTS = (MetricPoint(name="loss", step=1, value=0.5),)


def start(state: decider.State) -> Any:
    return decider.start(state, START)


def log_metrics(state: decider.State) -> Any:
    return decider.log_metrics(state, LogMetrics(run_id=RUN, points=POINTS))


def complete(state: decider.State) -> Any:
    return decider.complete(state, COMPLETE, model_version=1, dataset_version=None)


def fail(state: decider.State) -> Any:
    return decider.fail(state, FailRun(run_id=RUN, code="run.crashed", message="exit 1"))


def cancel(state: decider.State) -> Any:
    return decider.cancel(state, RUN)


def test_a_run_is_submitted_once() -> None:
    given().when(lambda s: decider.submit(s, SUBMITTED)).then(SUBMITTED)
    given(SUBMITTED).when(lambda s: decider.submit(s, SUBMITTED)).refused(RunExists)


def test_one_worker_claims_a_pending_run() -> None:
    given(SUBMITTED).when(start).then(STARTED)
    refusal = given(*RUNNING).when(start).refused(RunAlreadyClaimed)
    assert refusal.facts == {"worker": "w1"}


def test_a_running_run_logs_metrics() -> None:
    given(*RUNNING).when(log_metrics).then(RunMetricsLogged(**OF_RUN, points=POINTS))


def test_a_running_run_completes_with_its_result() -> None:
    given(*RUNNING).when(complete).then(COMPLETED)


@pytest.mark.parametrize("decide", [log_metrics, complete])
def test_a_pending_run_reports_and_completes_nothing(decide: Any) -> None:
    given(SUBMITTED).when(decide).refused(RunNotStarted)


@pytest.mark.parametrize("history", [(SUBMITTED,), RUNNING])
def test_a_pending_or_running_run_may_fail_or_be_cancelled(history: tuple[Any, ...]) -> None:
    given(*history).when(fail).then(FAILED)
    given(*history).when(cancel).then(CANCELLED)


@pytest.mark.parametrize("decide", [start, log_metrics, complete, fail, cancel])
def test_an_unknown_run_refuses_everything(decide: Any) -> None:
    given().when(decide).refused(RunUnknown)


@pytest.mark.parametrize("end", ENDS, ids=["completed", "failed", "cancelled"])
@pytest.mark.parametrize("decide", [start, log_metrics, complete, fail, cancel])
def test_a_finished_run_never_changes(end: Any, decide: Any) -> None:
    refusal = given(*RUNNING, end).when(decide).refused(RunAlreadyFinished)
    assert refusal.facts == {"state": type(end).__name__.removeprefix("Run").lower()}


@pytest.mark.parametrize(
    ("kind", "outputs", "rule"),
    [
        ("training", {}, RunOutputMissing),
        ("training", {"artifact": ARTIFACT, "output_sha256": digest("rows")}, RunOutputUnexpected),
        ("inference", {}, RunOutputMissing),
        ("inference", {"output_sha256": digest("rows"), "artifact": ARTIFACT}, RunOutputUnexpected),
        ("monitoring", {"artifact": ARTIFACT}, RunOutputUnexpected),
        ("monitoring", {"output_sha256": digest("rows")}, RunOutputUnexpected),
    ],
)
def test_each_kind_hands_over_its_own_output_and_no_other(kind: str, outputs: Any, rule: Any) -> None:
    command = CompleteRun(run_id=RUN, **outputs)
    history = given(run_submitted(kind=kind), STARTED)
    decide = lambda s: decider.complete(s, command, model_version=None, dataset_version=None)
    history.when(decide).refused(rule)


@pytest.mark.parametrize("kind", ["training", "inference", "monitoring"])
def test_the_three_kinds_have_action_names_of_their_own(kind: str) -> None:
    submitted = run_submitted(kind=kind)
    assert submitted.action() == f"{kind}_run.submitted"
    assert submitted.resource() == (f"{kind}_run", RUN)


def test_metric_points_have_a_stream_beside_the_runs() -> None:
    assert decider.stream(RUN).id("t") != decider.metrics_stream(RUN).id("t")
    assert str(decider.stream(RUN).id("t")) == RUN
