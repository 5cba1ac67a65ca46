"""The executor's answers to one run. What a run may read was fixed at its submission: enforced here (R12)."""

import hashlib
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import polars as pl

from application.ports import DatasetStore, Sessions
from domain.point_in_time import PitInputNotDeclared, check_read
from domain.run.commands import LogMetrics
from domain.run.pins import MetricName, MetricPoint
from domain.shared.errors import RuleBroken
from infrastructure.artifacts.archive import write_canonical_zip
from infrastructure.execution.account import Account
from infrastructure.execution.errors import RunCallMalformed, RunModelUnsafe
from infrastructure.execution.run_folder import MODEL_LIMITS, RunFolder
from infrastructure.execution.staging import copy_file, copy_folder
from infrastructure.execution.watched_inputs import feature_roles
from infrastructure.execution.work import InputSource, RunWork, WorkSource
from optaic.mlops.model_files import pickled_file
from optaic.mlops.runner.protocol import METRIC_POINTS_MAX

FACTS_BYTES_MAX = 32 * 1024
FACTS_DEEP_MAX = 16
OUTPUT_BYTES_MAX = 1024**3
MODEL_BYTES_MAX = MODEL_LIMITS.archive_bytes - 16 * 1024**2
"""Its archive names its files, too."""
REPORT_BYTES_MAX = 16 * 1024**2
REPORTS = ("report", "evidently")
"""What a run may hand in to be read; the facts name each by its hash."""
CALENDARS_MAX = 16
"""How many calendars a run may ask for: to work one out, when it is first asked for, takes a second."""
Answer = dict[str, Any]


class _Read(msgspec.Struct, forbid_unknown_fields=True):
    as_of: datetime
    role: str | None = None
    dataset: str | None = None
    version: int | None = None
    revisions: bool = False


class _Sessions(msgspec.Struct, forbid_unknown_fields=True):
    calendar: str
    first: date
    last: date


class _Points(msgspec.Struct, forbid_unknown_fields=True):
    points: tuple[MetricPoint, ...]


class _Progress(msgspec.Struct, forbid_unknown_fields=True):
    fraction: float
    message: str


class _Staged(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    format: str = ""
    decisions: tuple[date, ...] | None = None


class _Report(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    name: Literal["report", "evidently"]


class _Results(msgspec.Struct, forbid_unknown_fields=True):
    metrics: dict[MetricName, float]
    facts: dict[str, Any]


class _Failure(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    message: str


class RunSession:
    """Answers calls and remembers what was staged and handed over, until the process has ended."""

    def __init__(
        self,
        work: RunWork,
        folder: RunFolder,
        datasets: DatasetStore,
        sessions: Sessions,
        source: WorkSource,
        account: Account | None = None,
    ) -> None:
        self._work = work
        self._primary = next((one for one in work.inputs if one.use == "input"), None)
        self._folder = folder
        self._datasets = datasets
        self._calendar = sessions
        self._source = source
        self._lock = threading.Lock()
        self._files = 0
        self._account = account or Account()
        self._calendars = set[str]()
        self._answered: dict[object, Answer] = {}
        self.renewed = time.monotonic()
        """When the run last called, on the monotonic clock."""
        self.progress = (0.0, "starting")
        self.output: Path | None = None
        self.artifact: tuple[Path, str] | None = None
        self.reports: dict[str, Path] = {}
        """Staged reports by name."""
        self.results: tuple[dict[str, float], dict[str, Any]] | None = None
        self.failure: tuple[str, str] | None = None
        self.entities: int | None = None
        """How many entities the run's first input holds, as far as it was read."""
        self.decisions: tuple[date, ...] | None = None
        """The dates that the staged output has to be about, as the definition picked them."""
        self._calls: Mapping[str, Callable[[Any], Answer]] = {
            "describe": self._describe,
            "read": self._read,
            "sessions": self._sessions,
            "log_metrics": self._log_metrics,
            "progress": self._report,
            "heartbeat": lambda _: {},
            "stage_output": self._stage_output,
            "stage_artifact": self._stage_artifact,
            "stage_report": self._stage_report,
            "complete": self._complete,
            "fail": self._fail,
        }

    def answer(self, message: Mapping[str, Any]) -> Answer:
        """One call; a refusal is an answer too."""
        self.renewed = time.monotonic()
        try:
            call = self._calls.get(str(message.get("call")))
            if call is None:
                raise RunCallMalformed(f"there is no call {message.get('call')!r}")
            with self._lock:
                return {"value": call(message.get("arguments") or {})}
        except RuleBroken as refusal:
            return {"error": {"code": refusal.code, "message": refusal.detail}}
        except (msgspec.ValidationError, OverflowError, RecursionError) as error:
            return {"error": {"code": RunCallMalformed.code, "message": str(error)}}

    def _describe(self, _arguments: object) -> Answer:
        run = self._work.run
        model = None
        if run.model is not None:
            model = {
                "number": run.model.number,
                "trained_as_of": run.model.trained_as_of.isoformat(),
                "folder": str(self._folder.model),
            }
        inputs = [
            {
                "dataset": one.dataset,
                "version": one.version,
                "role": one.role,
                "use": one.use,
                "calendar": one.calendar,
                "simulated": [list(span) for span in one.simulated],
            }
            for one in self._work.inputs
        ]
        return {
            "run_id": run.run_id,
            "kind": run.kind,
            "instance": run.instance,
            "definition": str(run.definition),
            "category": str(self._work.manifest.category),
            "entry_points": dict(self._work.manifest.entry_points),
            "package_folder": str(self._folder.package),
            "as_of": run.as_of.isoformat(),
            "decisions": msgspec.to_builtins(run.decisions),
            "config": msgspec.to_builtins(run.config),
            "inputs": inputs,
            "output_dataset": run.output_dataset,
            "feature_roles": feature_roles(self._work),
            "model": model,
        }

    def _read(self, arguments: object) -> Answer:
        wanted = msgspec.convert(arguments, _Read)
        source = self._pinned(wanted)
        roles = [one.role for one in self._work.inputs]
        check_read(source.role, wanted.as_of, pinned=roles, run_as_of=self._work.run.as_of)
        key = (source.role, wanted.as_of, wanted.revisions)
        if key in self._answered:
            return self._answered[key]
        self._account.charge("reads", 1)
        if wanted.revisions:
            frame = self._datasets.read_revisions(source.manifest_sha256, wanted.as_of)
        else:
            frame = self._datasets.read(source.manifest_sha256, wanted.as_of)
        if source is self._primary:
            self.entities = max(self.entities or 0, frame["entity"].n_unique())
        self._answered[key] = self._file(frame)
        return self._answered[key]

    def _pinned(self, wanted: _Read) -> InputSource:
        for source in self._work.inputs:
            by_role = wanted.role is not None and source.role == wanted.role
            by_name = wanted.dataset is not None and source.dataset == wanted.dataset
            if (by_role or by_name) and wanted.version in (None, source.version):
                return source
        name = wanted.role or f"{wanted.dataset}@{wanted.version or 'newest'}"
        pinned = [f"{one.role} = {one.dataset}@{one.version}" for one in self._work.inputs]
        raise PitInputNotDeclared(f"{name!r} was not pinned by this run; it pinned {', '.join(pinned)}")

    def _sessions(self, arguments: object) -> Answer:
        wanted = msgspec.convert(arguments, _Sessions)
        key = (wanted.calendar, wanted.first, wanted.last)
        if key in self._answered:
            return self._answered[key]
        self._calendars.add(wanted.calendar)
        if len(self._calendars) > CALENDARS_MAX:
            raise RunCallMalformed(f"the run asked for more than {CALENDARS_MAX} calendars")
        self._account.charge("reads", 1)
        closes = self._calendar.closes(wanted.calendar, wanted.first, wanted.last)
        schema = {"date": pl.Date(), "close": pl.Datetime("us", "UTC")}
        self._answered[key] = self._file(pl.DataFrame(list(closes), schema=schema, orient="row"))
        return self._answered[key]

    def _file(self, frame: pl.DataFrame) -> Answer:
        self._files += 1
        path = self._folder.inputs / f"{self._files:04d}.arrow"
        frame.write_ipc(path)
        try:
            self._account.charge("read_bytes", path.stat().st_size)
        except RunCallMalformed:
            path.unlink()
            raise
        return {"path": str(path)}

    def _log_metrics(self, arguments: object) -> Answer:
        points = msgspec.convert(arguments, _Points).points
        if not 1 <= len(points) <= METRIC_POINTS_MAX:
            raise RunCallMalformed(f"{len(points)} points; one batch has 1 to {METRIC_POINTS_MAX}")
        infinite = next((point.name for point in points if not math.isfinite(point.value)), None)
        if infinite:
            raise RunCallMalformed(f"the metric {infinite!r} is not finite")
        self._account.charge("metric_batches", 1)
        self._account.charge("metric_points", len(points))
        self._source.log_metrics(LogMetrics(run_id=self._work.run.run_id, points=points))
        return {}

    def _report(self, arguments: object) -> Answer:
        told = msgspec.convert(arguments, _Progress)
        self.progress = (min(max(told.fraction, 0.0), 1.0), told.message[:200])
        return {}

    def _stage_output(self, arguments: object) -> Answer:
        told = msgspec.convert(arguments, _Staged)
        staged = self._folder.staged / "output.parquet"
        with self._staging(staged, OUTPUT_BYTES_MAX) as bytes_max:
            copy_file(self._folder.work, told.path, staged, bytes_max=bytes_max)
        self.output = staged
        self.decisions = told.decisions
        return {}

    def _stage_artifact(self, arguments: object) -> Answer:
        """What is checked and packed is a copy: the run may change its own files meanwhile."""
        told = msgspec.convert(arguments, _Staged)
        copy, staged = self._folder.staged / "files", self._folder.staged / "artifact.zip"
        self.artifact = None
        try:
            with self._staging(copy, MODEL_BYTES_MAX) as bytes_max:
                entries = MODEL_LIMITS.members
                copy_folder(self._folder.work, told.path, copy, bytes_max=bytes_max, entries_max=entries)
            unsafe = pickled_file(copy)
            if unsafe is not None:
                raise RunModelUnsafe(
                    f"{unsafe} is or holds a pickle, or too much to tell: reading it could run what it holds"
                )
            write_canonical_zip(copy, staged)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        self.artifact = (staged, told.format[:64] or "files")
        return {"sha256": _sha256(staged)}

    def _stage_report(self, arguments: object) -> Answer:
        told = msgspec.convert(arguments, _Report)
        staged = self._folder.staged / told.name
        with self._staging(staged, REPORT_BYTES_MAX) as bytes_max:
            copy_file(self._folder.work, told.path, staged, bytes_max=bytes_max)
        self.reports[told.name] = staged
        return {}

    @contextmanager
    def _staging(self, place: Path, bytes_max: int) -> Iterator[int]:
        """How many bytes a call may copy to a place. What lies there then counts, refused or not."""
        left = self._account.staged_bytes
        try:
            yield min(bytes_max, left)
        finally:
            files = [place] if place.is_file() else place.rglob("*")
            copied = sum(one.stat().st_size for one in files if one.is_file())
            self._account.charge("staged_bytes", min(copied, left))

    def _complete(self, arguments: object) -> Answer:
        told = msgspec.convert(arguments, _Results)
        infinite = next((name for name, value in told.metrics.items() if not math.isfinite(value)), None)
        if infinite:
            raise RunCallMalformed(f"the metric {infinite!r} is not finite")
        if not _is_shallow(told.facts, FACTS_DEEP_MAX):
            raise RunCallMalformed(f"the facts lie more than {FACTS_DEEP_MAX} deep in each other")
        if len(msgspec.json.encode(told.facts)) > FACTS_BYTES_MAX:
            raise RunCallMalformed(f"the facts have more than {FACTS_BYTES_MAX} bytes")
        self.results = (told.metrics, told.facts)
        return {}

    def _fail(self, arguments: object) -> Answer:
        told = msgspec.convert(arguments, _Failure)
        self.failure = (told.code[:100], told.message[:3500])
        return {}


def _is_shallow(value: object, levels: int) -> bool:
    match value:
        case dict():
            return levels > 0 and all(_is_shallow(one, levels - 1) for one in value.values())  # pyright: ignore[reportUnknownVariableType]
        case list():
            return levels > 0 and all(_is_shallow(one, levels - 1) for one in value)  # pyright: ignore[reportUnknownVariableType]
        case _:
            return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
