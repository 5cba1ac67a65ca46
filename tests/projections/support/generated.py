"""Random logs that look valid: every event type, in life cycles that the rules allow.

The same choices give the same log, whatever machine, hash seed or zone: only `random` decides.
"""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid5

from msgspec import UNSET

from application.ports import StreamWrite
from domain.access import events as access
from domain.access.decider import stream as access_stream
from domain.categories import Category
from domain.dataset import events as dataset
from domain.dataset.declaration import Column, Coverage, DataFile, Declaration
from domain.guardrails.contracts import Contract
from domain.guardrails.events import GateReport, GuardrailEvaluated, Issue
from domain.ml_module_def import events as definition
from domain.ml_module_def.manifest import InputRole, Manifest
from domain.model_instance import events as instance
from domain.model_instance.specification import Config, DatasetBinding, Specification
from domain.model_version import events as version
from domain.run import events as run
from domain.run.pins import (
    Artifact,
    DateRange,
    MetricPoint,
    PinnedConfig,
    PinnedInput,
    PinnedLimits,
    PinnedModel,
)
from domain.shared.activity import Actor, Envelope, Event, StreamKey
from domain.shared.ids import uuid7
from domain.shared.references import DefinitionRef
from tests.projections.support.memory_log import MemoryLog

_NAMESPACE = UUID(int=7)
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
TENANTS = ("acme", "zeta")


class World:
    """What stands where in one tenant, as far as the next event must know it."""

    def __init__(self) -> None:
        self.definitions: dict[tuple[str, str], str] = {}
        self.datasets: dict[str, dict[int, str]] = {}
        self.kinds: dict[str, str] = {}
        self.purged: set[tuple[str, int]] = set()
        self.instances: dict[str, str] = {}
        self.archived: set[str] = set()
        self.numbers: dict[str, int] = {}
        self.stages: dict[tuple[str, int], str] = {}
        self.artifacts: set[tuple[str, int]] = set()
        self.runs: dict[str, tuple[Any, str, str, bool]] = {}
        """run id → kind, instance, state, has model."""
        self.keys: dict[str, bool] = {}
        """key id → revoked."""
        self.models: dict[str, int | None] = {}


class Generator:
    """Appends random steps to a log; a step is what one command would append."""

    def __init__(
        self, random: Random, log: MemoryLog | None = None, tenants: tuple[str, ...] = TENANTS
    ) -> None:
        self.random = random
        self.log = log or MemoryLog()
        self.worlds = {tenant: World() for tenant in tenants}
        self.journal: list[tuple[int, Envelope, list[StreamWrite]]] = []
        """Time (µs since 1970), envelope and writes of every append, to play them to another log."""
        self.commands = 0
        self.tenant = tenants[0]

    def run(self, events: int) -> MemoryLog:
        """Append steps until the log holds at least this many events."""
        while self.log.head() < events:
            self.step()
        return self.log

    def step(self) -> None:
        """Append what one command of a random kind makes of the present state."""
        self.tenant = self.random.choice(tuple(self.worlds))
        world = self.worlds[self.tenant]
        steps = [self.define, self.create_dataset, self.create_instance, self.give_access]
        steps += [self.judge, self.deprecate] * bool(world.definitions)
        steps += [self.write, self.announce, self.settle, self.compact, self.purge] * bool(world.datasets)
        if world.instances:
            steps += [self.submit] * 4 + [self.move_run] * 7 + [self.log_metrics] * 2
            steps += [self.move_version] * 4 + [self.annotate, self.purge_version, self.skip_slot]
            steps += [self.update_instance, self.archive_instance]
        self.random.choice(steps)(world)

    # --- appending ---

    def append(self, *writes: tuple[StreamKey, tuple[Event, ...]], reason: str | None = None) -> None:
        self.commands += 1
        self.log.clock_us += self.random.randrange(0, 3) * 1_000_003
        command = uuid5(_NAMESPACE, f"command {self.commands}")
        chain = uuid5(_NAMESPACE, f"chain {self.commands // 3}")
        envelope = Envelope(
            tenant=self.tenant,
            actor=Actor(principal=self.random.choice(("p_ann", "p_bob", "service:desk"))),
            command_id=command,
            body_hash=b"\0" * 32,
            correlation_id=chain,
            causation_id=chain if self.commands % 2 else None,
            reason=reason or self.random.choice((None, "because it rained", "Zürich «quoted»")),
        )
        made = [StreamWrite(stream, self.version_of(stream), events) for stream, events in writes if events]
        self.journal.append((self.log.clock_us, envelope, made))
        self.log.append(envelope, made)

    def version_of(self, stream: StreamKey) -> int:
        return self.log._versions.get(stream.id(self.tenant), 0)

    def sha(self) -> str:
        return f"{self.random.getrandbits(256):064x}"

    def number(self) -> float:
        return self.random.randrange(-1000, 1000) / 1000

    def time(self) -> datetime:
        return _EPOCH + timedelta(seconds=self.random.randrange(10**7), microseconds=self.random.randrange(3))

    # --- definitions ---

    def give_access(self, world: World) -> None:
        """A key is granted, used for what it may not, or revoked."""
        live = [key for key, revoked in world.keys.items() if not revoked]
        key = self.random.choice(live) if live else ""
        event: Event
        match self.random.randrange(3) if live else 0:
            case 0:
                key = f"{self.random.getrandbits(64):016x}"
                event = access.AccessGranted(
                    key_id=key,
                    principal="p_ann",
                    role=self.random.choice(("reader", "writer", "operator")),
                    secret_sha256=self.sha(),
                    label=self.random.choice((None, "nightly")),
                    expires_at=self.random.choice((None, self.time())),
                )
            case 1:
                event = access.AccessDenied(
                    key_id=key,
                    principal="p_ann",
                    role="reader",
                    operation="POST /api/v1/datasets",
                    role_needed="writer",
                )
            case _:
                event = access.AccessRevoked(key_id=key)
        world.keys[key] = isinstance(event, access.AccessRevoked)
        self.append((access_stream(self.tenant), (event,)))

    def define(self, world: World) -> None:
        name = f"def-{self.random.randrange(3)}"
        semver = f"1.{self.random.randrange(4)}.0"
        if world.definitions.get((name, semver), "failed") != "failed":
            return
        manifest = Manifest(
            name=name,
            version=semver,
            category=self.random.choice(tuple(Category)),
            description="what it does",
            package_sha256=self.sha(),
            package_bytes=self.random.randrange(1, 10**6),
            entry_points={"model": "model.net:Net"},
            inputs=(InputRole(role="prices", columns=("close",)),),
            contracts=(Contract(kind="signal.bounds", config={"minimum": -1}),),
            requirements=(),
        )
        events: list[Event] = [definition.DefinitionSubmitted(manifest=manifest, submitter="p_ann")]
        world.definitions[name, semver] = "submitted"
        self.append((StreamKey("ml_module_def", name), tuple(events)))

    def judge(self, world: World) -> None:
        (name, semver), state = self.random.choice(sorted(world.definitions.items()))
        key = StreamKey("ml_module_def", name)
        if state == "submitted":
            verdict = self.random.choice(("passed", "passed", "failed"))
            checks = (definition.Check(name="structure", ok=verdict == "passed", seconds=0.25),)
            evaluated = definition.DefinitionEvaluated(
                name=name,
                version=semver,
                package_sha256=self.sha(),
                verdict=verdict,
                sandbox_level="L1",
                checks=checks,
                report_sha256=self.random.choice((None, self.sha())),
                hyper_parameter_schema={"type": "object"} if verdict == "passed" else {},
                output_columns={"signal": "float64"} if verdict == "passed" else {},
            )
            world.definitions[name, semver] = verdict
            gate = GuardrailEvaluated(
                report=self.report("definition_submit", f"ml_module_def:{name}@{semver}")
            )
            self.append((key, (evaluated, gate)))
        elif state == "passed":
            world.definitions[name, semver] = "published"
            self.append((key, (definition.DefinitionPublished(name=name, version=semver),)))

    def deprecate(self, world: World) -> None:
        (name, semver), state = self.random.choice(sorted(world.definitions.items()))
        if state in ("passed", "published"):
            world.definitions[name, semver] = "deprecated"
            event = definition.DefinitionDeprecated(name=name, version=semver)
            self.append((StreamKey("ml_module_def", name), (event,)), reason="superseded")

    def report(self, gate: Any, target: str) -> GateReport:
        ok = self.random.random() < 0.7
        issue = Issue(
            code="signal.bounds",
            severity="error",
            message="two rows beyond 1",
            contract="signal.bounds#00",
            observed={"maximum": 1.5},
            limit={"maximum": 1},
            rows=2,
            keys=("2024-01-02/AAPL",),
        )
        return GateReport(
            gate=gate,
            target=target,
            ok=ok,
            enforced_as="passed" if ok else self.random.choice(("warned", "blocked")),
            contracts=("signal.bounds#00",),
            issues=() if ok else (issue,),
        )

    # --- datasets ---

    def declaration(self) -> Declaration:
        return Declaration(columns=(Column(name="close", type="float64"),), description="daily closes")

    def create_dataset(self, world: World) -> None:
        name = f"data-{self.random.randrange(4)}"
        if name not in world.datasets:
            world.datasets[name] = {}
            world.kinds[name] = "source"
            event = dataset.DatasetCreated(
                name=name, kind="source", declaration=self.declaration(), instance=None
            )
            self.append((StreamKey("dataset", name), (event,)))

    def facts(self) -> dataset.ContentFacts:
        rows = self.random.randrange(1, 500)
        return dataset.ContentFacts(
            rows=rows,
            total_rows=rows * 2,
            last_seq=rows * 2,
            row_hash=self.sha(),
            manifest_sha256=self.sha(),
            schema_sha256=self.sha(),
            coverage=Coverage(first_date="2020-01-02", last_date="2024-01-02", entities=3, keys=rows),
            knowledge_first=self.time(),
            knowledge_last=self.time(),
            superseding=0,
        )

    def files(self) -> tuple[DataFile, ...]:
        return (DataFile(sha256=self.sha(), rows=3, size_bytes=1234),)

    def newest(self, versions: dict[int, str]) -> int | None:
        return max((number for number, state in versions.items() if state == "verified"), default=None)

    def written(self, world: World, name: str, run_id: str | None) -> dataset.DatasetVersionWritten:
        versions = world.datasets[name]
        parent, number = self.newest(versions), len(versions) + 1
        versions[number] = "verified"
        return dataset.DatasetVersionWritten(
            dataset=name,
            number=number,
            parent=parent,
            files=self.files(),
            facts=self.facts(),
            backfill=self.random.random() < 0.2,
            run_id=run_id,
            simulated=self.random.random() < 0.2,
        )

    def source(self, world: World) -> str | None:
        names = sorted(name for name, kind in world.kinds.items() if kind == "source")
        return self.random.choice(names) if names else None

    def write(self, world: World) -> None:
        name = self.source(world)
        if name is not None:
            self.append((StreamKey("dataset", name), (self.written(world, name, None),)))

    def announce(self, world: World) -> None:
        name = self.source(world)
        if name is None:
            return
        versions = world.datasets[name]
        parent, number = self.newest(versions), len(versions) + 1
        versions[number] = "registered"
        file = dataset.LocatedFile(location="lake", key="a/b.parquet", sha256=self.sha(), rows=3)
        event = dataset.DatasetVersionRegistered(
            dataset=name,
            number=number,
            parent=parent,
            files=(file,),
            knowledge_first=self.time(),
            knowledge_last=self.time(),
            backfill=False,
            producer=dataset.Producer(service="vendor", run=None),
        )
        self.append((StreamKey("dataset", name), (event,)))

    def settle(self, world: World) -> None:
        announced = [
            (name, number)
            for name, versions in sorted(world.datasets.items())
            for number, state in versions.items()
            if state == "registered"
        ]
        if not announced:
            return
        name, number = self.random.choice(announced)
        event: Event
        if self.random.random() < 0.7:
            world.datasets[name][number] = "verified"
            event = dataset.DatasetVersionVerified(
                dataset=name, number=number, files=self.files(), facts=self.facts()
            )
        else:
            world.datasets[name][number] = "rejected"
            event = dataset.DatasetVersionRejected(
                dataset=name, number=number, code="artifact.hash_mismatch", detail="bytes differ"
            )
        self.append((StreamKey("dataset", name), (event,)))

    def verified(self, world: World) -> tuple[str, int] | None:
        found = [
            (name, number)
            for name, versions in sorted(world.datasets.items())
            for number, state in versions.items()
            if state == "verified" and (name, number) not in world.purged
        ]
        return self.random.choice(found) if found else None

    def compact(self, world: World) -> None:
        found = self.verified(world)
        if found and self.random.random() < 0.3:
            event = dataset.DatasetVersionCompacted(
                dataset=found[0],
                number=found[1],
                files=self.files(),
                row_hash=self.sha(),
                manifest_sha256=self.sha(),
            )
            self.append((StreamKey("dataset", found[0]), (event,)))

    def purge(self, world: World) -> None:
        found = self.verified(world)
        if found and self.random.random() < 0.2:
            world.purged.add(found)
            event = dataset.DatasetVersionPurged(
                dataset=found[0], number=found[1], files=self.files(), forced=self.random.random() < 0.5
            )
            self.append((StreamKey("dataset", found[0]), (event,)), reason="licence ended")

    # --- instances ---

    def specification(self, world: World) -> Specification | None:
        usable = sorted(key for key, state in world.definitions.items() if state in ("passed", "published"))
        if not usable:
            return None
        bindings = tuple(DatasetBinding(dataset=name) for name in sorted(world.datasets)[:2])
        return Specification(
            definition=DefinitionRef(*self.random.choice(usable)),
            description=self.random.choice(("a desk's model", "another")),
            training_datasets=bindings,
            inference_datasets=bindings,
            config=Config(hyper_parameters={"depth": self.random.randrange(9)}),
            owner=self.random.choice(("p_ann", "p_bob")),
            space=self.random.choice(("staging", "official")),
            tags=("daily",),
        )

    def create_instance(self, world: World) -> None:
        name = f"inst-{self.random.randrange(5)}"
        specification = self.specification(world)
        if name in world.instances or specification is None:
            return
        output = f"{name}-predictions"
        world.instances[name] = output
        world.datasets[output] = {}
        world.kinds[output] = "prediction"
        created = instance.InstanceCreated(name=name, specification=specification, output_dataset=output)
        predictions = dataset.DatasetCreated(
            name=output, kind="prediction", declaration=self.declaration(), instance=name
        )
        self.append(
            (StreamKey("model_instance", name), (created,)), (StreamKey("dataset", output), (predictions,))
        )

    def open_instance(self, world: World) -> str | None:
        names = sorted(set(world.instances) - world.archived)
        return self.random.choice(names) if names else None

    def update_instance(self, world: World) -> None:
        name, specification = self.open_instance(world), self.specification(world)
        if name and specification:
            event = instance.InstanceUpdated(name=name, specification=specification, changed=("config",))
            self.append((StreamKey("model_instance", name), (event,)))

    def skip_slot(self, world: World) -> None:
        name = self.open_instance(world)
        if name:
            event = instance.SlotSkipped(name=name, kind="training", slot=self.time(), cause="busy")
            self.append((StreamKey("model_instance", name), (event,)))

    def archive_instance(self, world: World) -> None:
        name = self.open_instance(world)
        if not name or self.random.random() > 0.1:
            return
        world.archived.add(name)
        events: list[Event] = []
        writes: list[tuple[StreamKey, tuple[Event, ...]]] = []
        active = self.active(world, name)
        if active is not None:
            events.append(instance.InstanceActiveVersionChanged(name=name, active=None, former=active))
            world.stages[name, active] = "archived"
            gone = version.VersionArchived(
                instance=name, number=active, former_stage="production", replaced_by=None
            )
            writes.append((StreamKey("model_version", f"{name}@{active}"), (gone,)))
        events.append(instance.InstanceArchived(name=name))
        for run_id, (kind, owner, state, has) in sorted(world.runs.items()):
            if owner == name and state == "pending":
                world.runs[run_id] = (kind, owner, "cancelled", has)
                cancelled = run.RunCancelled(run_id=run_id, kind=kind, instance=name)
                writes.append((StreamKey("run", run_id), (cancelled,)))
        self.append((StreamKey("model_instance", name), tuple(events)), *writes, reason="desk closed")

    def active(self, world: World, name: str) -> int | None:
        found = [n for (owner, n), stage in world.stages.items() if owner == name and stage == "production"]
        return found[0] if found else None

    # --- runs ---

    def submit(self, world: World) -> None:
        name = self.open_instance(world)
        if name is None:
            return
        usable = sorted((n, k) for (n, k), s in world.stages.items() if n == name)
        kind = self.random.choice(("training", "inference", "monitoring") if usable else ("training",))
        model = None
        if kind != "training":
            model = PinnedModel(
                number=self.random.choice(usable)[1], artifact_sha256=self.sha(), trained_as_of=self.time()
            )
        self.commands += 1
        run_id = str(uuid7(1_700_000_000_000 + self.commands, self.random.getrandbits(74)))
        self.commands -= 1
        world.runs[run_id] = (kind, name, "pending", model is not None)
        event = run.RunSubmitted(
            run_id=run_id,
            kind=kind,
            instance=name,
            definition=DefinitionRef("def-0", "1.0.0"),
            package_sha256=self.sha(),
            config=PinnedConfig(
                target_col="close",
                feature_cols=None,
                feature_lag=1,
                horizon=5,
                train_window=None,
                calendar="XNYS",
                decision_time=None,
                history="vintage",
                max_age=None,
                embargo=0,
                hyper_parameters={"depth": self.random.randrange(5), "rate": self.number()},
            ),
            limits=PinnedLimits(time_s=60, memory_mib=512),
            inputs=self.inputs(world, kind),
            output_dataset=world.instances[name],
            model=model,
            as_of=self.time(),
            decisions=DateRange(first=date(2024, 1, 2), last=date(2024, 2, 2))
            if kind == "inference"
            else None,
            refit=self.random.random() < 0.1,
            executor=self.random.choice(("local", "external")),
            trigger=self.random.choice(("manual", "backfill")),
            retry_of=None,
        )
        self.append((StreamKey("run", run_id), (event,)))

    def inputs(self, world: World, kind: Any) -> tuple[PinnedInput, ...]:
        readable = [
            (name, number)
            for name, versions in sorted(world.datasets.items())
            for number, state in versions.items()
            if state == "verified"
        ]
        picked = self.random.sample(readable, min(len(readable), self.random.randrange(0, 4)))
        inputs = [PinnedInput(dataset=name, version=number, role=name) for name, number in picked]
        if kind == "monitoring" and picked:
            name, number = picked[0]
            inputs.append(PinnedInput(dataset=name, version=number, role="outcome", use="outcome"))
        return tuple(inputs)

    def some_run(self, world: World, *states: str) -> str | None:
        found = sorted(run_id for run_id, each in world.runs.items() if each[2] in states)
        return self.random.choice(found) if found else None

    def log_metrics(self, world: World) -> None:
        run_id = self.some_run(world, "running")
        if run_id is None:
            return
        kind, name, _, _ = world.runs[run_id]
        points = tuple(
            MetricPoint(
                name=self.random.choice(("loss", "rank_ic")),
                step=self.random.randrange(5),
                value=self.number(),
            )
            for _ in range(self.random.randrange(1, 6))
        )
        event = run.RunMetricsLogged(run_id=run_id, kind=kind, instance=name, points=points)
        self.append((StreamKey("run_metrics", run_id), (event,)))

    def move_run(self, world: World) -> None:
        run_id = self.some_run(world, "pending", "running")
        if run_id is None:
            return
        kind, name, state, has = world.runs[run_id]
        of = {"run_id": run_id, "kind": kind, "instance": name}
        end = self.random.random()
        if state == "pending" and end < 0.85:
            world.runs[run_id] = (kind, name, "running", has)
            level = self.random.choice(("L1", "L2", UNSET))
            started = run.RunStarted(
                **of,
                worker="worker-1",
                python="3.11.7",
                distributions={"numpy": "2.4.6"},
                sandbox_level=level,
            )
            self.append((StreamKey("run", run_id), (started,)))
        elif state == "running" and end < 0.7:
            self.complete(world, run_id)
        elif end < 0.9:
            world.runs[run_id] = (kind, name, "failed", has)
            failed = run.RunFailed(**of, code="run.crashed", message="exit 1", log_sha256=self.sha())
            self.append((StreamKey("run", run_id), (failed,)))
        else:
            world.runs[run_id] = (kind, name, "cancelled", has)
            self.append((StreamKey("run", run_id), (run.RunCancelled(**of),)))

    def complete(self, world: World, run_id: str) -> None:
        kind, name, _, has = world.runs[run_id]
        world.runs[run_id] = (kind, name, "completed", has)
        metrics = {"rank_ic": self.number(), "hit_rate": self.number()} if self.random.random() < 0.8 else {}
        gate = GuardrailEvaluated(report=self.report("run_complete", f"{kind}_run:{run_id}"))
        number = written = artifact = None
        writes: list[tuple[StreamKey, tuple[Event, ...]]] = []
        if kind == "training":
            number = world.numbers[name] = world.numbers.get(name, 0) + 1
            artifact = Artifact(sha256=self.sha(), size_bytes=100, format="xgboost-json")
            writes.append(
                (
                    StreamKey("model_instance", name),
                    (instance.InstanceVersionNumbered(name=name, number=number, run_id=run_id),),
                )
            )
            registered = self.registered(world, name, number, run_id, metrics)
            writes.append((StreamKey("model_version", f"{name}@{number}"), (registered,)))
        elif kind == "inference" and self.random.random() < 0.8:
            output = world.instances[name]
            event = self.written(world, output, run_id)
            written = event.number
            writes.append((StreamKey("dataset", output), (event,)))
        completed = run.RunCompleted(
            run_id=run_id,
            kind=kind,
            instance=name,
            metrics=metrics,
            artifact=artifact,
            model_version=number,
            dataset_version=written,
            facts={"rows": 12},
            log_sha256=None,
        )
        self.append((StreamKey("run", run_id), (gate, completed)), *writes)
        if kind == "training" and self.random.random() < 0.3:
            self.append((StreamKey("run", run_id), (self.reproduced(name, run_id),)))

    def reproduced(self, name: str, run_id: str) -> Event:
        differs = run.RunDifference(what="artifact", recorded=self.sha(), reproduced=self.sha())
        return run.RunReproduced(
            run_id=run_id,
            instance=name,
            by_run=run_id,
            verdict="differs",
            equal_artifact=False,
            equal_metrics=True,
            differences=(differs,),
            environment=(),
        )

    def registered(
        self, world: World, name: str, number: int, run_id: str, metrics: dict[str, float]
    ) -> version.VersionRegistered:
        stage = self.random.choice(("none", "staging", "staging"))
        world.stages[name, number] = stage
        world.artifacts.add((name, number))
        return version.VersionRegistered(
            instance=name,
            number=number,
            run_id=run_id,
            definition=DefinitionRef("def-0", "1.0.0"),
            package_sha256=self.sha(),
            artifact_sha256=self.sha(),
            artifact_bytes=100,
            artifact_format="xgboost-json",
            metrics=metrics,
            hyper_parameters={"depth": 3},
            inputs=(version.VersionInput(dataset="data-0", version=1, role="prices"),),
            reading=version.FeatureReading(
                target_col="close",
                feature_cols=("close",),
                feature_lag=1,
                horizon=5,
                calendar="XNYS",
                decision_time=None,
                history="vintage",
                max_age=None,
            ),
            trained_as_of=self.time(),
            stage=stage,
            external=self.random.random() < 0.1,
            refit=self.random.random() < 0.1,
        )

    # --- versions ---

    def some_version(self, world: World) -> tuple[str, int, str] | None:
        if not world.stages:
            return None
        (name, number), stage = self.random.choice(sorted(world.stages.items()))
        return name, number, stage

    def move_version(self, world: World) -> None:
        found = self.some_version(world)
        if found is None:
            return
        name, number, stage = found
        key = StreamKey("model_version", f"{name}@{number}")
        if stage == "none" and name not in world.archived:
            world.stages[name, number] = "staging"
            self.append((key, (version.VersionStaged(instance=name, number=number),)), reason="looks fine")
        elif stage in ("staging", "archived") and name not in world.archived:
            self.activate(world, name, number, stage)
        elif stage == "production" and self.random.random() < 0.5:
            world.stages[name, number] = "archived"
            gone = version.VersionArchived(
                instance=name, number=number, former_stage="production", replaced_by=None
            )
            change = instance.InstanceActiveVersionChanged(name=name, active=None, former=number)
            self.append((StreamKey("model_instance", name), (change,)), (key, (gone,)), reason="retired")

    def activate(self, world: World, name: str, number: int, stage: str) -> None:
        former = self.active(world, name)
        made = version.VersionPromoted if stage == "staging" else version.VersionRolledBack
        gate = GuardrailEvaluated(report=self.report("version_promote", f"model_version:{name}@{number}"))
        change = instance.InstanceActiveVersionChanged(name=name, active=number, former=former)
        moved = made(instance=name, number=number, replaces=former)
        writes: list[tuple[StreamKey, tuple[Event, ...]]] = [
            (StreamKey("model_version", f"{name}@{number}"), (gate, moved)),
            (StreamKey("model_instance", name), (change,)),
        ]
        if former is not None:
            world.stages[name, former] = "archived"
            gone = version.VersionArchived(
                instance=name, number=former, former_stage="production", replaced_by=number
            )
            writes.append((StreamKey("model_version", f"{name}@{former}"), (gone,)))
        world.stages[name, number] = "production"
        if self.random.random() < 0.5:
            writes.reverse()
        self.append(*writes, reason="gate passed")

    def annotate(self, world: World) -> None:
        found = self.some_version(world)
        if found:
            event = version.VersionAnnotated(
                instance=found[0], number=found[1], description=f"note {self.commands}", tags=("good",)
            )
            self.append((StreamKey("model_version", f"{found[0]}@{found[1]}"), (event,)))

    def purge_version(self, world: World) -> None:
        found = self.some_version(world)
        if found and found[:2] in world.artifacts and self.random.random() < 0.2:
            world.artifacts.discard(found[:2])
            event = version.VersionPurged(
                instance=found[0],
                number=found[1],
                artifact_sha256=self.sha(),
                forced=found[2] == "production",
            )
            self.append((StreamKey("model_version", f"{found[0]}@{found[1]}"), (event,)), reason="space")
