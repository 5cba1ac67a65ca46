"""Runs of an instance, started by hand."""

import time
from datetime import date, datetime
from typing import Any

from optaic.mlops.api import Json
from optaic.mlops.client import shared_client

_WAIT_S = 60.0
_OVER = ("completed", "failed", "cancelled")


class RunNotCompleted(Exception):
    """The run failed or was cancelled: `code` as in docs/errors.md, `run` is all that is known of it."""

    def __init__(self, run: Json) -> None:
        error: Json = run.get("error") or {}
        self.run = run
        self.code = str(error.get("code", run["state"]))
        super().__init__(f"run {run['id']} {run['state']}: {self.code} {error.get('message', '')}".rstrip())


def run_now(
    instance: str,
    kind: str = "training",
    *,
    as_of: datetime | None = None,
    first: date | None = None,
    last: date | None = None,
    model_version: int | None = None,
    params: dict[str, Any] | None = None,
    wait: bool = True,
) -> Json:
    """Submit a training, inference or monitoring run and wait for its end; returns the run.

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
    )
    run_id = str(submitted["run_id"])
    run: Json = submitted.get("run") or client.get_run(run_id, after=submitted["position"])
    while wait and run["state"] not in _OVER:
        run = _followed(run_id)
    if run["state"] in ("failed", "cancelled"):
        raise RunNotCompleted(run)
    return run


def _followed(run_id: str) -> Json:
    """Look again after a pause: the service tells the end only to the one who submitted."""
    time.sleep(1.0)
    return shared_client().get_run(run_id)
