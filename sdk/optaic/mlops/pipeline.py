"""Runs of an instance: started by hand, in a flow of one's own process, or by the instance's schedules.

```python
from datetime import UTC, datetime

from optaic.mlops import pipeline, registry


@pipeline.task(retries=2)
def train(as_of: datetime) -> str:
    run = pipeline.run_now("spx-alpha", "training", as_of=as_of)
    return f"spx-alpha@{run['model_version']}"


@pipeline.flow
def weekly(as_of: datetime) -> str:
    version = train(as_of)
    registry.transition_stage(version, "production", reason="weekly")
    return pipeline.workflow_id()


workflow = weekly(datetime(2024, 3, 8, 22, tzinfo=UTC))
pipeline.schedule("spx-alpha", "training", cron="0 7 * * 6", zone="America/New_York")
pipeline.schedule("spx-alpha", "monitoring", after="spx-alpha-predictions")
```

A flow plans nothing and survives nothing: it is code of this process, whose commands belong together. What
has to happen without it is a schedule, which the service keeps.
"""

import inspect
import time
from collections.abc import Callable
from datetime import date, datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from optaic.mlops.api import Json
from optaic.mlops.client import Refused, shared_client
from optaic.mlops.schedules import schedule, unschedule
from optaic.mlops.workflow import current, joined, one_task

P = ParamSpec("P")
R = TypeVar("R")

RETRIES_MAX = 10
_PERMANENT = range(400, 500)

_WAIT_S = 60.0
_PAUSE_S = 1.0
_OVER = ("completed", "failed", "cancelled")


class RunNotCompleted(Exception):
    """The run failed or was cancelled: `code` as in docs/errors.md, `run` is all that is known of it."""

    def __init__(self, run: Json) -> None:
        error: Json = run.get("error") or {}
        self.run = run
        self.code = str(error.get("code", run["state"]))
        super().__init__(f"run {run['id']} {run['state']}: {self.code} {error.get('message', '')}".rstrip())


def run_now(  # noqa: PLR0913 - one argument a field of the command
    instance: str,
    kind: str = "training",
    *,
    as_of: datetime | None = None,
    first: date | None = None,
    last: date | None = None,
    model_version: int | None = None,
    params: dict[str, Any] | None = None,
    wait: bool = True,
    override: bool = False,
    reason: str | None = None,
) -> Json:
    """Submit a training, inference or monitoring run and wait for its end; returns the run. `override` with a
    reason: even if the gate blocks, for operators.

    Raises RunNotCompleted when it ends badly, Refused when it is not accepted. Where a task is tried again
    after such a run had failed, the new run names it (`retry_of`).
    """
    client = shared_client()
    running = current()
    submitted = client.submit_run(
        instance,
        kind,
        wait=_WAIT_S if wait else 0,
        as_of=as_of.isoformat() if as_of else None,
        first=first.isoformat() if first else None,
        last=last.isoformat() if last else None,
        model_version=model_version,
        params=params,
        retry_of=running.failed.get((instance, kind)) if running else None,
        **_answered(reason, override=override),
    )
    run_id = str(submitted["run_id"])
    run: Json = submitted.get("run") or client.get_run(run_id, after=submitted["position"])
    while wait and run["state"] not in _OVER:
        run = _followed(run_id)
    if run["state"] in ("failed", "cancelled"):
        raise RunNotCompleted(run)
    return run


class NoActiveFlow(Exception):
    """This code runs in no flow; decorate a function with `@pipeline.flow` and call it."""


def workflow_id() -> str:
    """The correlation id of the flow that runs, as `GET /workflows/{id}` takes it; raises NoActiveFlow."""
    running = current()
    if running is None:
        raise NoActiveFlow("decorate a function with @pipeline.flow and call it")
    return str(running.correlation_id)


def flow(function: Callable[P, R]) -> Callable[P, R]:
    """Give all commands that a function sends one correlation id: a workflow.

    Each command names the one before it as its cause. A flow within a flow is part of it. Raises TypeError
    for a coroutine function, else what the function raises, with a note that names the workflow.
    """
    _check_plain(function)

    @wraps(function)
    def together(*args: P.args, **kwargs: P.kwargs) -> R:
        is_outermost = current() is None
        with joined() as running:
            try:
                return function(*args, **kwargs)
            except BaseException as error:
                if is_outermost:
                    error.add_note(f"workflow {running.correlation_id}")
                raise

    return together


@overload
def task(function: Callable[P, R]) -> Callable[P, R]: ...
@overload
def task(*, retries: int = 0, pause_s: float = 1.0) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def task(
    function: Callable[P, R] | None = None, *, retries: int = 0, pause_s: float = 1.0
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """A step of a flow, which is called again when it fails: `retries` times (at most 10), `pause_s` apart.

    Not called again for a refusal: it would be refused again. Each call sends commands of its own, so what
    the failed one had done stays done. Outside of a flow only the retries count. Raises TypeError for a
    coroutine function, ValueError for retries that are none, else what the last call raised.
    """
    if not 0 <= retries <= RETRIES_MAX or pause_s < 0:
        raise ValueError(f"0 to {RETRIES_MAX} retries after 0 or more seconds, not {retries} after {pause_s}")

    def step(plain: Callable[P, R]) -> Callable[P, R]:
        _check_plain(plain)

        @wraps(plain)
        def tried(*args: P.args, **kwargs: P.kwargs) -> R:
            with one_task():
                for _ in range(retries):
                    try:
                        return plain(*args, **kwargs)
                    except Exception as error:
                        if not _may_pass(error):
                            raise
                        _remember(error)
                    time.sleep(pause_s)
                return plain(*args, **kwargs)

        return tried

    return step if function is None else step(function)


def _remember(error: Exception) -> None:
    running = current()
    if running is not None and isinstance(error, RunNotCompleted):
        key = str(error.run["instance"]), str(error.run["kind"])
        running.failed = {**running.failed, key: str(error.run["id"])}


def _may_pass(error: Exception) -> bool:
    return not (isinstance(error, Refused) and error.status in _PERMANENT)


def _check_plain(function: Callable[..., object]) -> None:
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{function.__qualname__} is a coroutine function; flows and tasks are plain ones")


class WorkflowFailed(Exception):
    """A run of the workflow did not complete: `workflow` is all that is known of it."""

    def __init__(self, workflow: Json) -> None:
        self.workflow = workflow
        retried = {run["retry_of"] for run in workflow["runs"]}
        bad = [run for run in workflow["runs"] if run["state"] != "completed" and run["id"] not in retried]
        told = "; ".join(f"{run['kind']} {run['id']}: {_code(run)}" for run in bad[:5])
        super().__init__(f"workflow {workflow['correlation_id']}: {told}")


def _code(run: Json) -> str:
    error: Json = run["error"] or {}
    return str(error.get("code", run["state"]))


def backfill(
    instance: str,
    first: date,
    last: date,
    *,
    refit: str | None = None,
    model_version: int | None = None,
    wait: bool = True,
    override: bool = False,
    reason: str | None = None,
) -> Json:
    """Predict past decision sessions as one workflow, and wait for its end; returns the workflow.

    `refit` (`1y`, `2q`, `6m`, or a number of sessions): train a version before each block, which it then
    predicts. `override` as in `run_now`. Raises WorkflowFailed, Refused.
    """
    client = shared_client()
    begun = client.backfill(
        instance,
        first.isoformat(),
        last.isoformat(),
        refit=refit,
        model_version=model_version,
        **_answered(reason, override=override),
    )
    known = client.get_workflow(begun["correlation_id"], after=begun["position"])
    while wait and known["state"] == "running":
        time.sleep(_PAUSE_S)
        known = client.get_workflow(begun["correlation_id"])
    if known["state"] == "failed":
        raise WorkflowFailed(known)
    return known


def _answered(reason: str | None, *, override: bool) -> dict[str, Any]:
    return {"reason": reason} | ({"override": True} if override else {})


def reproduce(run: str) -> Json:
    """Do a completed training again from what was recorded; returns the verdict with its differences.

    `run`: a training run's id, or a model version such as `spx-alpha@3`. Raises RunNotCompleted, Refused.
    """
    client = shared_client()
    run_id = str(client.get_version(run)["run_id"]) if "@" in run else run
    answer = client.reproduce_run(run_id, wait=_WAIT_S)
    again: Json = answer.get("run") or client.get_run(answer["run_id"], after=answer["position"])
    while again["state"] not in _OVER:
        again = _followed(str(again["id"]))
    if again["state"] != "completed":
        raise RunNotCompleted(again)
    verdicts: list[Json] = client.list_reproductions(run_id, after=again["ended"]["position"])["items"]
    return next(one for one in verdicts if one["by_run"] == again["id"])


def _followed(run_id: str) -> Json:
    """Look again after a pause: the service tells the end only to the one who submitted."""
    time.sleep(_PAUSE_S)
    return shared_client().get_run(run_id)


__all__ = [
    "NoActiveFlow",
    "RunNotCompleted",
    "WorkflowFailed",
    "backfill",
    "flow",
    "reproduce",
    "run_now",
    "schedule",
    "task",
    "unschedule",
    "workflow_id",
]
