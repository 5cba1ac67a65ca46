"""A desk: the real bus, handlers, log and stores on a scratch folder, with the steps of a model's life."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from application.bus import Bus, Sender
from application.context import Services
from application.handlers import HANDLERS
from application.policies.context import PolicyContext
from application.ports import Outcome
from domain.dataset.commands import CreateDataset, WriteDatasetVersion
from domain.guardrails.contracts import Contract
from domain.guardrails.measurements import Measurements
from domain.ml_module_def.commands import PublishDefinition, RecordEvaluation, SubmitDefinition
from domain.model_instance import decider as instances
from domain.model_instance.commands import CreateInstance
from domain.model_instance.specification import DatasetBinding
from domain.model_version import decider as versions
from domain.model_version.commands import PromoteVersion
from domain.run import decider as runs
from domain.run.commands import CompleteRun, StartRun, SubmitRun
from domain.run.pins import Artifact
from domain.shared.activity import Actor, Event, RecordedEvent
from domain.shared.command import Command
from domain.shared.errors import RuleBroken
from infrastructure.activity_log import open_activity_log
from infrastructure.artifacts.store import FolderArtifactStore
from infrastructure.datasets.store import FolderDatasetStore
from tests.support.adapters import (
    FixedClock,
    InterleavedLog,
    KnownPackages,
    LogLookups,
    SeededIds,
    WeekdaySessions,
)
from tests.support.valid import AUTHOR, NOW, PASSED_CHECK, declaration, digest, manifest

TENANT = "desk"
DEFINITION = "xgb-signal@1.0.0"
PRICES = (DatasetBinding(dataset="us-prices", role="prices"),)
GOOD_RANK_IC = Contract(kind="model.performance", config={"metric": "rank_ic", "at_least": 0.01})
BOUNDED = Contract(kind="signal.bounds", config={"column": "signal"})
DEPTH = {"type": "object", "properties": {"depth": {"type": "integer"}}, "additionalProperties": False}


class SilentExecutor:
    """Notes what it was told."""

    def __init__(self) -> None:
        self.woken = 0
        self.killed: list[str] = []

    def wake(self) -> None:
        self.woken += 1

    def kill(self, run_id: str) -> None:
        self.killed.append(run_id)


class Desk(AbstractContextManager["Desk"]):
    """Sends commands as the author unless told otherwise; fails on a refusal that was not asked for."""

    def __init__(self, folder: Path) -> None:
        self.clock = FixedClock()
        self.log = open_activity_log(folder / "log.db", self.clock)
        self.packages = KnownPackages()
        self.executor = SilentExecutor()
        self.services = Services(
            log=self.log,
            artifacts=FolderArtifactStore(folder / "artifacts"),
            datasets=FolderDatasetStore(
                folder / "datasets", zone_of=lambda _: ZoneInfo("UTC"), locations={"lake": folder}
            ),
            packages=self.packages,
            sessions=WeekdaySessions(),
            lookups=LogLookups(self.log),
            clock=self.clock,
            ids=SeededIds(),
        )
        self.bus = Bus(self.services, HANDLERS)
        self.looks_first = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.log.close()

    # --- sending

    def send(
        self,
        command: Command,
        *,
        tenant: str = TENANT,
        principal: str = AUTHOR,
        bus: Bus | None = None,
        **sender: Any,
    ) -> Outcome:
        """Send with a reason; `sender` takes the other fields of `Sender`, and `dry_run`."""
        dry_run = sender.pop("dry_run", False)
        given = {"reason": "it is needed", "looks_first": self.looks_first, **sender}
        envelope = Sender(tenant=tenant, actor=Actor(principal=principal), **given)
        return (bus or self.bus).send(command, envelope, dry_run=dry_run)

    def refused(self, rule: type[RuleBroken], command: Command, **sender: Any) -> RuleBroken:
        """This rule refuses the command, and no event is left."""
        head = self.log.head()
        with pytest.raises(rule) as caught:
            self.send(command, **sender)
        assert type(caught.value) is rule
        assert self.log.head() == head
        return caught.value

    def interleaved(self) -> tuple[Bus, InterleavedLog]:
        """A second bus on the same log, before whose appends something may happen."""
        log = InterleavedLog(self.log)
        return Bus(replace(self.services, log=log.as_log()), HANDLERS), log

    def policies(self) -> PolicyContext:
        """What policies work with."""
        return PolicyContext(services=self.services, bus=self.bus, executor=self.executor)

    # --- looking

    def since(self, position: int) -> Sequence[RecordedEvent]:
        """What was recorded after a position."""
        return self.log.read(position, 10_000)

    def last(self, count: int = 1) -> list[Event]:
        """The last events of the log."""
        return [one.event for one in self.since(self.log.head() - count) if one.event]

    def of_last_command(self) -> list[Event]:
        """The events of the last command: one append, at positions without a gap."""
        head = self.log.head()
        command_id = self.since(head - 1)[0].command_id
        own = [one for one in self.since(0) if one.command_id == command_id]
        assert [one.position for one in own] == list(range(head - len(own) + 1, head + 1))
        return [one.event for one in own if one.event]

    def instance_state(self, name: str = "spx-alpha") -> instances.State:
        """An instance as decisions see it."""
        return self.log.load(TENANT, instances.stream(name), instances.INITIAL, instances.evolve).state

    def version_state(self, number: int, name: str = "spx-alpha") -> versions.State:
        """A model version as decisions see it."""
        return self.log.load(TENANT, versions.stream(name, number), versions.INITIAL, versions.evolve).state

    def run_state(self, run_id: str) -> runs.State:
        """A run as decisions see it."""
        return self.log.load(TENANT, runs.stream(run_id), runs.INITIAL, runs.evolve).state

    # --- steps of a life

    def define(self, *contracts: Contract, version: str = "1.0.0", publish: bool = True) -> None:
        """Submit, pass and publish a version of `xgb-signal`."""
        package = manifest(version=version, contracts=contracts, package_sha256=digest(f"package {version}"))
        self.send(SubmitDefinition(package_sha256=self.packages.add(package)))
        self.send(verdict(version))
        if publish:
            self.send(PublishDefinition(name="xgb-signal", version=version))

    def dataset(self, name: str = "us-prices", *, days: int = 2) -> None:
        """A source dataset with a first version of `days` rows."""
        self.send(CreateDataset(name=name, declaration=declaration()))
        self.upload(prices(days), name)

    def upload(self, rows: pl.DataFrame, name: str = "us-prices", **options: Any) -> Outcome:
        """Write rows to a dataset."""
        return self.send(WriteDatasetVersion(dataset=name, blob_sha256=self.blob(rows), **options))

    def blob(self, rows: pl.DataFrame) -> str:
        """Store rows as a Parquet blob."""
        content = io.BytesIO()
        rows.write_parquet(content)
        return self.services.artifacts.put(content.getvalue())

    def instance(self, name: str = "spx-alpha", **changes: Any) -> Outcome:
        """An instance of `xgb-signal@1.0.0` on `us-prices`."""
        return self.send(created(name, **changes))

    def ready(self, *contracts: Contract, **changes: Any) -> Self:
        """Definition, dataset and instance."""
        self.define(*contracts)
        self.dataset()
        self.instance(**changes)
        return self

    def submit(self, kind: Any = "training", instance: str = "spx-alpha", **changes: Any) -> str:
        """A pending run."""
        run_id = self.services.ids.run_id()
        self.send(SubmitRun(instance=instance, kind=kind, run_id=run_id, **changes))
        return run_id

    def start(self, run_id: str) -> str:
        """A running run."""
        self.send(StartRun(run_id=run_id, worker="w1"))
        return run_id

    def completion(self, run_id: str, rank_ic: float = 0.03) -> CompleteRun:
        """The result of a training."""
        content = f"model of {run_id}".encode()
        stored = Artifact(
            sha256=self.services.artifacts.put(content), size_bytes=len(content), format="xgboost-json"
        )
        return CompleteRun(run_id=run_id, metrics={"rank_ic": rank_ic}, artifact=stored)

    def train(self, instance: str = "spx-alpha", rank_ic: float = 0.03, **changes: Any) -> int:
        """A completed training; returns its version's number."""
        run_id = self.start(self.submit("training", instance, **changes))
        self.send(self.completion(run_id, rank_ic))
        return self.instance_state(instance).last_number

    def promoted(self, instance: str = "spx-alpha") -> int:
        """A new version in production."""
        number = self.train(instance)
        self.send(PromoteVersion(instance=instance, number=number))
        return number

    def inferred(
        self, rows: pl.DataFrame, measured: Measurements | None = None, **changes: Any
    ) -> tuple[str, Outcome]:
        """A completed inference."""
        run_id = self.start(self.submit("inference", **changes))
        command = CompleteRun(run_id=run_id, output_sha256=self.blob(rows), measurements=measured)
        return run_id, self.send(command)


def verdict(version: str = "1.0.0", passed: str = "passed", **columns: str) -> RecordEvaluation:
    """The evaluation of a version of `xgb-signal`."""
    return RecordEvaluation(
        name="xgb-signal",
        version=version,
        package_sha256=digest(f"package {version}"),
        verdict=passed,
        sandbox_level="L1",
        checks=(PASSED_CHECK,),
        hyper_parameter_schema=DEPTH,
        output_columns=columns or {"signal": "float64"},
    )


def created(name: str = "spx-alpha", **changes: Any) -> CreateInstance:
    """The command for an instance of `xgb-signal@1.0.0` on `us-prices`."""
    return CreateInstance(name=name, **{"definition": DEFINITION, "training_datasets": PRICES, **changes})


def prices(days: int = 2, close: float = 100.0, first: int = 0) -> pl.DataFrame:
    """Daily closes of one entity, each known at the end of its day; the last lies well before NOW."""
    start = date(2026, 3, 2) + timedelta(days=first)
    dates = [start + timedelta(days=n) for n in range(days)]
    return pl.DataFrame(
        {
            "entity": ["A"] * days,
            "date": dates,
            "knowledge_date": [_evening(day) for day in dates],
            "close": [close + n for n in range(days)],
        },
        schema_overrides={"knowledge_date": pl.Datetime("us", "UTC")},
    )


def predictions(*decisions: datetime, signal: float = 0.5, model_version: int = 1) -> pl.DataFrame:
    """One predicted row a decision time."""
    count = len(decisions)
    moments = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        {
            "entity": ["A"] * count,
            "date": [moment.date() for moment in decisions],
            "knowledge_date": list(decisions),
            "signal": [signal] * count,
            "trained_as_of": [NOW - timedelta(days=400)] * count,
            "model_version": [model_version] * count,
        },
        schema_overrides={"knowledge_date": moments, "trained_as_of": moments},
    )


def command_id(number: int) -> UUID:
    """A command id that a client chose."""
    return UUID(int=number, version=4)


def _evening(day: date) -> datetime:
    return datetime.combine(day, NOW.timetz()).replace(hour=21)
