"""The run's side of the socket."""

import os
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from optaic.mlops.runner.description import RunDescription
from optaic.mlops.runner.protocol import (
    METRIC_POINTS_MAX,
    SOCKET_SETTING,
    FrameMalformed,
    receive_frame,
    send_frame,
)

HEARTBEAT_S = 10.0


class RunRefused(Exception):
    """The executor, or a rule of the pipelines, refused something: `code` as in docs/errors.md."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class RunConnection:
    """Calls of the protocol, one at a time; safe to use from several threads."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._lock = threading.Lock()

    def describe(self) -> RunDescription:
        """The run as it was pinned."""
        return RunDescription.model_validate(self._call("describe", {}))

    def read(self, role: str, as_of: datetime) -> pl.DataFrame:
        """Rows of a pinned input as they were known at a moment, sorted by (date, entity)."""
        return self._frame("read", {"role": role, "as_of": as_of.isoformat(), "revisions": False})

    def read_dataset(self, dataset: str, as_of: datetime, version: int | None = None) -> pl.DataFrame:
        """Like `read`, by the dataset's name instead of its role."""
        named = {"dataset": dataset, "as_of": as_of.isoformat(), "version": version}
        return self._frame("read", named | {"revisions": False})

    def revisions(self, role: str, as_of: datetime) -> pl.DataFrame:
        """Every stored row of a pinned input that was known at a moment, with `seq` and `op`."""
        return self._frame("read", {"role": role, "as_of": as_of.isoformat(), "revisions": True})

    def sessions(self, calendar: str, first: date, last: date) -> pl.DataFrame:
        """Sessions in [first, last]: date Date, close Datetime(us, UTC)."""
        arguments = {"calendar": calendar, "first": first.isoformat(), "last": last.isoformat()}
        return self._frame("sessions", arguments)

    def log_metrics(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Record (name, step, value) points, in batches of at most 1,000."""
        for start in range(0, len(points), METRIC_POINTS_MAX):
            batch = [
                {"name": name, "step": step, "value": value}
                for name, step, value in points[start : start + METRIC_POINTS_MAX]
            ]
            self._call("log_metrics", {"points": batch})

    def progress(self, fraction: float, message: str) -> None:
        """Say how far the run is, 0 to 1, and what it does."""
        self._call("progress", {"fraction": fraction, "message": message})

    def stage_output(self, path: Path, decisions: Sequence[date] | None = None) -> None:
        """Hand in the predictions, as `rows.write_rows` writes them, and the dates they have to be about."""
        told = None if decisions is None else [day.isoformat() for day in decisions]
        self._call("stage_output", {"path": str(path), "decisions": told})

    def stage_artifact(self, folder: Path, artifact_format: str) -> str:
        """Hand in the model's files; returns the SHA-256 of their canonical archive."""
        value = self._call("stage_artifact", {"path": str(folder), "format": artifact_format})
        return str(value["sha256"])

    def stage_report(self, path: Path, name: str) -> None:
        """Hand in a report: `report` (JSON) or `evidently` (gzipped HTML)."""
        self._call("stage_report", {"path": str(path), "name": name})

    def complete(self, metrics: Mapping[str, float], facts: Mapping[str, Any]) -> None:
        """Hand over the results; they count once the process ended well."""
        self._call("complete", {"metrics": dict(metrics), "facts": dict(facts)})

    def fail(self, code: str, message: str) -> None:
        """Tell why the run cannot go on."""
        self._call("fail", {"code": code, "message": message})

    def heartbeat(self) -> None:
        """Renew the lease."""
        self._call("heartbeat", {})

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _frame(self, call: str, arguments: Mapping[str, Any]) -> pl.DataFrame:
        return pl.read_ipc(self._call(call, arguments)["path"])

    def _call(self, call: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            send_frame(self._socket, {"call": call, "arguments": dict(arguments)})
            answer = receive_frame(self._socket)
        if answer is None:
            raise FrameMalformed("the executor hung up")
        if "error" in answer:
            raise RunRefused(str(answer["error"]["code"]), str(answer["error"]["message"]))
        value: dict[str, Any] = answer.get("value") or {}
        return value


def connect() -> RunConnection:
    """Connect to the executor of the run that this process is; raises KeyError outside a run."""
    return RunConnection(os.environ[SOCKET_SETTING])


def keep_alive(path: str) -> None:
    """Renew the run's lease from a thread of its own, for as long as the process lives."""

    def beat() -> None:
        with suppress(OSError, FrameMalformed, RunRefused):
            connection = RunConnection(path)
            while not over.wait(HEARTBEAT_S):
                connection.heartbeat()

    over = threading.Event()
    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
