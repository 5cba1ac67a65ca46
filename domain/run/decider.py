"""Decisions about a run of any kind.

pending ──start──> running ──complete──> completed
   │                  ├──fail─────────> failed
   ├──fail──> failed  └──cancel───────> cancelled
   └──cancel──> cancelled                              The first end wins; a finished run never changes.
"""

from typing import Literal, assert_never

import msgspec

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
from domain.run.events import (
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunMetricsLogged,
    RunStarted,
    RunSubmitted,
)
from domain.shared.activity import Event, StreamKey

RunEvent = RunSubmitted | RunStarted | RunMetricsLogged | RunCompleted | RunFailed | RunCancelled
Status = Literal["none", "pending", "running", "completed", "failed", "cancelled"]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A run as decisions need it: what it pinned and where it stands."""

    submitted: RunSubmitted | None = None
    status: Status = "none"
    worker: str = ""


INITIAL = State()


def stream(run_id: str) -> StreamKey:
    """The stream of a run: its own id."""
    return StreamKey("run", run_id)


def metrics_stream(run_id: str) -> StreamKey:
    """The stream of a run's metric points, so that they never conflict with its life."""
    return StreamKey("run_metrics", run_id)


def existing(state: State, run_id: str) -> RunSubmitted:
    """What the run pinned; raises RunUnknown."""
    if state.submitted is None:
        raise RunUnknown(f"there is no run {run_id}")
    return state.submitted


def submit(state: State, event: RunSubmitted) -> tuple[Event, ...]:
    """A new run with everything pinned."""
    if state.submitted is not None:
        raise RunExists(f"there is a run {event.run_id} already")
    return (event,)


def start(state: State, command: StartRun) -> tuple[Event, ...]:
    """One worker claims a pending run."""
    run = _unfinished(state, command.run_id)
    if state.status == "running":
        raise RunAlreadyClaimed(f"the run {command.run_id} is with {state.worker}", worker=state.worker)
    return (
        RunStarted(
            run_id=run.run_id,
            kind=run.kind,
            instance=run.instance,
            worker=command.worker,
            python=command.python,
            distributions=dict(sorted(command.distributions.items())),
            sandbox_level=command.sandbox_level,
        ),
    )


def log_metrics(state: State, command: LogMetrics) -> tuple[Event, ...]:
    """Points of a running run."""
    run = running(state, command.run_id)
    return (
        RunMetricsLogged(
            run_id=run.run_id,
            kind=run.kind,
            instance=run.instance,
            points=command.points,
        ),
    )


def check_output(run: RunSubmitted, command: CompleteRun) -> None:
    """A training hands over a model file, an inference rows, a monitoring neither."""
    given = (command.artifact is not None, command.output_sha256 is not None)
    wanted = (run.kind == "training", run.kind == "inference")
    for has, needs, what in zip(given, wanted, ("artifact", "rows"), strict=True):
        if needs and not has:
            raise RunOutputMissing(f"a completed {run.kind} run hands over {what}")
        if has and not needs:
            raise RunOutputUnexpected(f"a {run.kind} run does not make {what}")


def complete(
    state: State,
    command: CompleteRun,
    *,
    model_version: int | None,
    dataset_version: int | None,
) -> tuple[Event, ...]:
    """End a running run with its result."""
    run = running(state, command.run_id)
    check_output(run, command)
    return (
        RunCompleted(
            run_id=run.run_id,
            kind=run.kind,
            instance=run.instance,
            metrics=dict(sorted(command.metrics.items())),
            artifact=command.artifact,
            model_version=model_version,
            dataset_version=dataset_version,
            facts=command.facts,
            log_sha256=command.log_sha256,
        ),
    )


def fail(state: State, command: FailRun) -> tuple[Event, ...]:
    """End a pending or running run without a result."""
    run = _unfinished(state, command.run_id)
    return (
        RunFailed(
            run_id=run.run_id,
            kind=run.kind,
            instance=run.instance,
            code=command.code,
            message=command.message,
            log_sha256=command.log_sha256,
        ),
    )


def cancel(state: State, run_id: str) -> tuple[Event, ...]:
    """End a pending or running run at once."""
    run = _unfinished(state, run_id)
    return (RunCancelled(run_id=run.run_id, kind=run.kind, instance=run.instance),)


def running(state: State, run_id: str) -> RunSubmitted:
    """What a running run pinned; raises RunUnknown, RunAlreadyFinished, RunNotStarted."""
    run = _unfinished(state, run_id)
    if state.status != "running":
        raise RunNotStarted(f"the run {run_id} is pending")
    return run


def _unfinished(state: State, run_id: str) -> RunSubmitted:
    run = existing(state, run_id)
    if state.status in ("completed", "failed", "cancelled"):
        raise RunAlreadyFinished(f"the {run.kind} run {run_id} is {state.status}", state=state.status)
    return run


def evolve(state: State, event: Event) -> State:
    """Fold one event; total and never raising. Events of other rules (gate reports) change nothing."""
    if not isinstance(event, RunEvent):
        return state
    match event:
        case RunSubmitted():
            return State(submitted=event, status="pending")
        case RunStarted():
            return msgspec.structs.replace(state, status="running", worker=event.worker)
        case RunMetricsLogged():
            return state
        case RunCompleted():
            return msgspec.structs.replace(state, status="completed")
        case RunFailed():
            return msgspec.structs.replace(state, status="failed")
        case RunCancelled():
            return msgspec.structs.replace(state, status="cancelled")
        case _:
            assert_never(event)
