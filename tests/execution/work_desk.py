"""A work source in memory over the real stores: what the service is to the executor."""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from domain.dataset.declaration import Column, Declaration
from domain.ml_module_def.commands import RecordEvaluation
from domain.ml_module_def.manifest import Manifest
from domain.run.commands import CompleteRun, FailRun, LogMetrics
from domain.run.errors import RunAlreadyFinished
from domain.run.events import RunSubmitted
from domain.run.pins import PinnedConfig, PinnedInput, PinnedLimits, PinnedModel
from domain.shared.references import DefinitionRef
from infrastructure.artifacts.store import FolderArtifactStore
from infrastructure.datasets.store import FolderDatasetStore
from infrastructure.execution import InputSource, LocalExecutor, RunWork, Surroundings
from infrastructure.execution.work import Unevaluated
from infrastructure.guardrail_measures import ParquetMeasurer
from infrastructure.packages import ZipPackages
from infrastructure.processes.sandbox import Level, Limits, Sandbox
from tests.execution.definition_packages import packed

DAYS = 90
FIRST = date(2024, 1, 1)
AS_OF = datetime(2024, 3, 20, 22, tzinfo=UTC)


class EveryDay:
    """A calendar in which each day is a session that closes at 21:00 UTC."""

    def known(self, calendar: str) -> bool:
        return calendar == "DAYS"

    def closes(self, calendar: str, first: date, last: date) -> Sequence[tuple[date, datetime]]:
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return [(day, datetime(day.year, day.month, day.day, 21, tzinfo=UTC)) for day in days]


def prices() -> pl.DataFrame:
    """A seeded random walk of three entities, each row known at its day's close."""
    draw = np.random.default_rng(5)
    levels = 100 * np.cumprod(1 + draw.normal(0, 0.02, size=(DAYS, 3)), axis=0)
    days = [FIRST + timedelta(days=n) for n in range(DAYS)]
    return pl.DataFrame(
        {
            "entity": [name for _ in days for name in "ABC"],
            "date": [day for day in days for _ in "ABC"],
            "knowledge_date": [
                datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days for _ in "ABC"
            ],
            "close": levels.flatten(),
        }
    ).with_columns(pl.col("knowledge_date").cast(pl.Datetime("us", "UTC")))


class Desk:
    """Pending runs and definitions, and what the executor says of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.levels: set[Level] = {"L1"}
        self.artifacts = FolderArtifactStore(root / "artifacts")
        self.datasets = FolderDatasetStore(root / "datasets", zone_of=lambda _: ZoneInfo("UTC"))
        self.works: dict[str, RunWork] = {}
        self.pending: list[str] = []
        self.running: list[str] = []
        self.definitions: list[Manifest] = []
        self.completed: dict[str, CompleteRun] = {}
        self.failed: dict[str, FailRun] = {}
        self.points: list[LogMetrics] = []
        self.evaluations: list[RecordEvaluation] = []
        self.cancelled: set[str] = set()
        self.started: list[tuple[str, str]] = []
        self._changed = threading.Condition()
        self._manifest_of_prices: str | None = None

    # --- what the executor calls

    def pending_runs(self) -> Sequence[str]:
        return list(self.pending)

    def running_runs(self, worker: str) -> Sequence[str]:
        return list(self.running)

    def unevaluated_definitions(self) -> Sequence[Unevaluated]:
        done = {one.package_sha256 for one in self.evaluations}
        return [Unevaluated("acme", one) for one in self.definitions if one.package_sha256 not in done]

    def start(
        self, run_id: str, worker: str, python: str, distributions: Mapping[str, str], level: Level
    ) -> RunWork | None:
        assert distributions["polars"]
        assert level in self.levels
        with self._changed:
            if run_id not in self.pending:
                return None
            self.pending.remove(run_id)
            self.started.append((run_id, worker))
            self._changed.notify_all()
            return self.works[run_id]

    def log_metrics(self, command: LogMetrics) -> None:
        self._refuse_finished(command.run_id)
        self.points.append(command)

    def complete(self, command: CompleteRun) -> None:
        self._refuse_finished(command.run_id)
        with self._changed:
            self.completed[command.run_id] = command
            self._changed.notify_all()

    def fail(self, command: FailRun) -> None:
        self._refuse_finished(command.run_id)
        with self._changed:
            self.failed[command.run_id] = command
            self._changed.notify_all()

    def record_evaluation(self, tenant: str, command: RecordEvaluation) -> None:
        assert tenant == "acme"
        with self._changed:
            self.evaluations.append(command)
            self._changed.notify_all()

    def _refuse_finished(self, run_id: str) -> None:
        if run_id in self.cancelled or run_id in self.completed or run_id in self.failed:
            raise RunAlreadyFinished(run_id)

    # --- what a test does

    def executor(self, **settings: Any) -> LocalExecutor:
        around = Surroundings(
            source=self,
            artifacts=self.artifacts,
            datasets=self.datasets,
            sessions=EveryDay(),
            measurer=ParquetMeasurer(),
            lease_s=settings.pop("lease_s", 60.0),
            sandbox=settings.pop("sandbox", Sandbox()),
            limits=settings.pop("limits", Limits()),
        )
        self.levels = {around.sandbox.level}
        return LocalExecutor(around, self.root / settings.pop("folder", "runs"), **settings)

    def package(self, name: str, changes: dict[str, str | None] | None = None) -> Manifest:
        """Store a package and read its manifest."""
        return ZipPackages(self.artifacts).inspect(self.artifacts.put(packed(self.root / name, changes)))

    def stored_prices(self) -> str:
        """The manifest of the one version of the prices."""
        if self._manifest_of_prices is None:
            path = self.root / "prices.parquet"
            prices().write_parquet(path)
            declaration = Declaration(columns=(Column(name="close", type="float64"),), calendar="DAYS")
            written = self.datasets.prepare(
                declaration,
                None,
                path,
                "application/vnd.apache.parquet",
                written_at=datetime(2024, 4, 1, tzinfo=UTC),
                backfill=True,
            )
            assert written is not None
            self._manifest_of_prices = written.facts.manifest_sha256
        return self._manifest_of_prices

    def submit(self, number: int, manifest: Manifest, kind: Any = "training", **changes: Any) -> str:
        """Put a run among the pending ones."""
        run_id = f"01920000-0000-7000-8000-{number:012d}"
        limits = PinnedLimits(time_s=changes.pop("time_s", 60), memory_mib=changes.pop("memory_mib", 2048))
        config = PinnedConfig(
            target_col=None,
            feature_cols=None,
            feature_lag=1,
            horizon=2,
            train_window=None,
            calendar="DAYS",
            decision_time=None,
            history="vintage",
            max_age=None,
            embargo=0,
            hyper_parameters=changes.pop("hyper_parameters", {"ridge": 0.1}),
        )
        run = RunSubmitted(
            run_id=run_id,
            kind=kind,
            instance="steady-alpha",
            definition=DefinitionRef(manifest.name, manifest.version),
            package_sha256=manifest.package_sha256,
            config=config,
            limits=limits,
            inputs=(PinnedInput(dataset="us-prices", version=1, role="prices"),),
            output_dataset="steady-alpha-predictions",
            model=changes.pop("model", None),
            as_of=changes.pop("as_of", AS_OF),
            decisions=changes.pop("decisions", None),
            refit=False,
            executor="local",
            trigger="manual",
            retry_of=None,
        )
        source = InputSource(
            dataset="us-prices",
            version=1,
            role="prices",
            use="input",
            manifest_sha256=self.stored_prices(),
            calendar="DAYS",
        )
        self.works[run_id] = RunWork(run=run, manifest=manifest, inputs=(source,))
        self.pending.append(run_id)
        return run_id

    def model(self, run_id: str, number: int = 1) -> PinnedModel:
        """The model that a completed training handed over, as an inference pins it."""
        artifact = self.completed[run_id].artifact
        assert artifact is not None
        run = self.works[run_id].run
        return PinnedModel(number=number, artifact_sha256=artifact.sha256, trained_as_of=run.as_of)

    def wait(self, condition: Any, timeout_s: float = 60.0) -> None:
        """Wait until something was said of the runs."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout_s), "nothing happened in time"
