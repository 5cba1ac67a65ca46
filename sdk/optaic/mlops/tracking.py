"""Parameters, metrics and files of a run: of the run that this process is, or of a training done here (rule
16).

Inside a run the functions speak with its executor. In a notebook or another service begin one first:

    with tracking.start_run("spx-alpha", as_of=..., inputs={"prices": "us-prices@3"}) as run:
        tracking.log_metrics({"loss": 0.3}, step=1)
        registry.register_model(model, metrics={"rank_ic": 0.02}, features=[...])
"""

import atexit
import os
import platform
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from optaic.mlops.client import Refused, shared_client
from optaic.mlops.data import DatasetRef
from optaic.mlops.metric_buffer import MetricBuffer, Point
from optaic.mlops.packaging import canonical_zip
from optaic.mlops.runner.protocol import SOCKET_SETTING

if TYPE_CHECKING:
    from optaic.mlops.autolog import Autolog

_RENEW_S = 15.0


class NoActiveRun(Exception):
    """There is no run to record this for; begin one with `tracking.start_run(instance)`."""


class ExternalRun:
    """A training that is done in this process; it ends when its model is registered, or fails."""

    def __init__(self, instance: str, run_id: str, token: str) -> None:
        self.instance = instance
        self.run_id = run_id
        self.token = token
        self.facts: dict[str, Any] = {}
        self.is_over = False
        self._over = threading.Event()
        threading.Thread(target=self._renew, name="run-lease", daemon=True).start()

    def finish(self) -> None:
        """Nothing more is recorded for this run."""
        self.is_over = True
        self._over.set()

    def _renew(self) -> None:
        while not self._over.wait(_RENEW_S):
            with suppress(Refused, httpx.HTTPError):
                shared_client().report_progress(self.run_id, self.token, 0.0, "running")


_active: ExternalRun | None = None


def active_run() -> ExternalRun:
    """The run begun in this process; raises NoActiveRun."""
    if _active is None or _active.is_over:
        raise NoActiveRun("begin one with tracking.start_run(instance)")
    return _active


@contextmanager
def start_run(
    instance: str,
    *,
    as_of: datetime | None = None,
    params: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str | DatasetRef] | None = None,
) -> Generator[ExternalRun]:
    """Submit and claim an external training of an instance.

    `as_of`: what the model has seen (default now); `inputs`: role → dataset version that was read. The run
    fails when the block ends without a registered model. Raises Refused.
    """
    global _active, _metrics  # noqa: PLW0603 - one run a process
    client = shared_client()
    submitted = client.submit_run(
        instance,
        "training",
        executor="external",
        as_of=as_of.isoformat() if as_of else None,
        params=dict(params or {}),
        inputs=[_declared(role, ref) for role, ref in (inputs or {}).items()],
    )
    run_id = str(submitted["run_id"])
    claimed = client.start_run(run_id, f"sdk@{platform.node()}")
    run = ExternalRun(instance, run_id, str(claimed["token"]))
    _active, _metrics = run, None
    try:
        yield run
    except BaseException as error:
        _fail(run, "run.crashed", f"{type(error).__name__}: {error}")
        raise
    finally:
        _fail(run, "run.output_missing", "the run ended without a registered model")
        _active = _metrics = None


def log_params(params: Mapping[str, Any]) -> None:
    """Record parameters among the facts of the run begun here; raises NoActiveRun.

    A run of the service has its parameters pinned already: there the same values are accepted and ignored.
    """
    if SOCKET_SETTING in os.environ:
        return
    known = active_run().facts.setdefault("params", {})
    known.update(params)


def log_metrics(metrics: Mapping[str, float], step: int = 0) -> None:
    """Record metrics at a step; raises NoActiveRun, and what an earlier batch was refused with.

    Points go in batches, in their order: when 1,000 are there, after two seconds, at the end of the run, at
    the end of the process, and with `flush_metrics`.
    """
    _buffer().add([(name, step, float(value)) for name, value in metrics.items()])


def flush_metrics() -> None:
    """Send the metric points that are held; raises Refused or RunRefused."""
    if _metrics is not None:
        _metrics.flush()


_metrics: MetricBuffer | None = None


def _buffer() -> MetricBuffer:
    """The points of the run that this process is, or of the one begun here."""
    global _metrics  # noqa: PLW0603 - one run a process
    if SOCKET_SETTING in os.environ:
        if _metrics is None:
            _metrics = _inside()
        return _metrics
    run = active_run()
    if _metrics is None:
        _metrics = MetricBuffer(partial(_send_points, run))
    return _metrics


def _inside() -> MetricBuffer:
    from optaic.mlops.runner.connection import connect

    buffer = MetricBuffer(connect().log_metrics)
    atexit.register(buffer.flush)
    return buffer


def _send_points(run: ExternalRun, points: Sequence[Point]) -> None:
    sent = [{"name": name, "step": step, "value": value} for name, step, value in points]
    shared_client().log_metrics(run.run_id, run.token, sent)


def autolog() -> Callable[[], None]:
    """Record by itself what scikit-learn, xgboost and lightgbm fit from here on; returns what undoes it.

    Parameters, evaluation curves as step metrics, final figures; a second fit's names begin with `fit2.`.
    Nothing happens where a library is absent or no run has begun, and no training is changed or broken.
    """
    global _autolog  # noqa: PLW0603 - libraries are wrapped once a process
    from optaic.mlops.autolog import Autolog

    if _autolog is not None:
        _autolog.undo()
    _autolog = Autolog(_Recorder())
    _autolog.start()
    return _autolog.undo


_autolog: "Autolog | None" = None


class _Recorder:
    """The run that there is when something is fitted; without one nothing is kept."""

    def params(self, params: Mapping[str, Any]) -> None:
        with suppress(NoActiveRun):
            log_params(params)

    def metrics(self, metrics: Mapping[str, float], step: int) -> None:
        with suppress(NoActiveRun):
            log_metrics(metrics, step)


def log_artifacts(path: Path | str, name: str | None = None) -> str:
    """Store a file, or a folder as a canonical zip, for the run begun here; returns its SHA-256."""
    run = active_run()
    place = Path(path)
    content = canonical_zip(place) if place.is_dir() else place.read_bytes()
    sha256 = str(shared_client().store_blob(content)["sha256"])
    run.facts.setdefault("artifacts", {})[name or place.name] = sha256
    return sha256


def _declared(role: str, ref: str | DatasetRef) -> dict[str, Any]:
    known = ref if isinstance(ref, DatasetRef) else DatasetRef.parse(ref)
    if known.version is None:
        newest = shared_client().list_dataset_versions(known.name, limit=1)["items"]
        known = DatasetRef(known.name, newest[0]["number"] if newest else None)
    return {"dataset": known.name, "version": known.version, "role": role}


def _fail(run: ExternalRun, code: str, message: str) -> None:
    if run.is_over:
        return
    with suppress(Refused, httpx.HTTPError):
        flush_metrics()
    run.finish()
    with suppress(Refused):
        shared_client().fail_run(run.run_id, run.token, code=code, message=message[:4000])
