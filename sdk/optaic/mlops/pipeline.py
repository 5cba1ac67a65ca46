"""Runs of an instance, started by hand: one, a backfill of many, one once more."""

import time
from datetime import date, datetime
from typing import Any

from optaic.mlops.api import Json
from optaic.mlops.client import shared_client

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

    Raises RunNotCompleted when it ends badly, Refused when it is not accepted.
    """
    client = shared_client()
    submitted = client.submit_run(
        instance,
        kind,
        wait=_WAIT_S if wait else 0,
        as_of=as_of.isoformat() if as_of else None,
        first=first.isoformat() if first else None,
        last=last.isoformat() if last else None,
        model_version=model_version,
        params=params,
        **_answered(reason, override=override),
    )
    run_id = str(submitted["run_id"])
    run: Json = submitted.get("run") or client.get_run(run_id, after=submitted["position"])
    while wait and run["state"] not in _OVER:
        run = _followed(run_id)
    if run["state"] in ("failed", "cancelled"):
        raise RunNotCompleted(run)
    return run


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
