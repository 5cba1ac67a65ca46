"""The service as its executor sees it: work found in the views, claimed and settled by commands."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from application.bus import Bus, Sender
from application.context import Services
from application.queries import LIMIT_MAX, DefinitionFilter, Paging, Queries, RunFilter
from application.views import Page, RunView
from domain.dataset import decider as datasets
from domain.dataset.events import DatasetVersionWritten
from domain.ml_module_def import decider as definitions
from domain.ml_module_def.commands import RecordEvaluation
from domain.ml_module_def.manifest import Manifest
from domain.model_instance import decider as instances
from domain.run import decider as runs
from domain.run.commands import CompleteRun, FailRun, LogMetrics, StartRun
from domain.run.errors import RunAlreadyClaimed, RunAlreadyFinished, RunInstanceClosed, RunUnknown
from domain.run.events import RunSubmitted
from domain.run.pins import PinnedInput
from domain.shared.activity import Actor, StreamKey
from domain.shared.command import Command
from domain.shared.errors import RuleBroken
from infrastructure.execution.work import InputSource, RunWork, Unevaluated
from infrastructure.leases import Tenants
from infrastructure.processes.sandbox import Level
from infrastructure.processes.sandbox_levels import SandboxLevelTooLow, is_at_least

V = TypeVar("V")

_PRINCIPAL = "service:executor"
_WAIT_S = 30.0


class ServiceWork:
    """The adapter of `infrastructure.execution.work.WorkSource` on bus, log and views."""

    def __init__(
        self,
        *,
        services: Services,
        bus: Bus,
        queries: Queries,
        tenants: Tenants,
        official_level: Level = "L2",
    ) -> None:
        """`tenants`: those that may have work, after the views have seen the log's head.
        `official_level`: the weakest sandbox for runs of instances in `official`.
        """
        self._official_level: Level = official_level
        self._services = services
        self._bus = bus
        self._queries = queries
        self._tenants = tenants
        self._tenant_of = dict[str, str]()

    def pending_runs(self) -> Sequence[str]:
        """Ids of pending runs for the local executor, oldest first."""
        return [run.id for run in self._local_runs("pending")]

    def running_runs(self, worker: str) -> Sequence[str]:
        """Ids of runs that stand as running with this worker."""
        running = self._local_runs("running")
        return [run.id for run in running if run.started is not None and run.started.worker == worker]

    def unevaluated_definitions(self) -> Sequence[Unevaluated]:
        """Submitted definition versions without a verdict."""
        self._catch_up()
        return [
            Unevaluated(tenant, one.manifest)
            for tenant in self._tenants()
            for one in _all(partial(self._queries.definitions, tenant, DefinitionFilter(state="submitted")))
        ]

    def start(
        self, run_id: str, worker: str, python: str, distributions: Mapping[str, str], level: Level
    ) -> RunWork | None:
        """Claim a run; None if it cannot be had any more, or if what it pinned is gone: then it failed."""
        command = StartRun(
            run_id=run_id,
            worker=worker,
            python=python,
            distributions=dict(distributions),
            sandbox_level=level,
        )
        try:
            self._send_of_run(command)
        except (RunAlreadyClaimed, RunAlreadyFinished, RunInstanceClosed, RunUnknown):
            return None
        try:
            work = self._work(self._tenant(run_id), run_id)
            self._refuse_weak_sandbox(self._tenant(run_id), work.run.instance, level)
            return work
        except RuleBroken as broken:
            self.fail(FailRun(run_id=run_id, code=broken.code, message=broken.detail[:4000]))
            return None

    def _refuse_weak_sandbox(self, tenant: str, name: str, level: Level) -> None:
        log = self._services.log
        loaded = log.load(tenant, instances.stream(name), instances.INITIAL, instances.evolve)
        space = instances.existing(loaded.state, name).space
        if space == "official" and not is_at_least(level, self._official_level):
            raise SandboxLevelTooLow(
                f"{name} is in official: its runs need level {self._official_level}, here they have {level}",
                level=level,
            )

    def _work(self, tenant: str, run_id: str) -> RunWork:
        log = self._services.log
        run = runs.existing(log.load(tenant, runs.stream(run_id), runs.INITIAL, runs.evolve).state, run_id)
        inputs = tuple(self._source(tenant, one, run) for one in run.inputs)
        return RunWork(run=run, manifest=self._manifest(tenant, run), inputs=inputs)

    def log_metrics(self, command: LogMetrics) -> None:
        """Record metric points."""
        self._send_of_run(command)

    def complete(self, command: CompleteRun) -> None:
        """Hand over results."""
        self._send_of_run(command)

    def fail(self, command: FailRun) -> None:
        """Say that a run ended without a result."""
        self._send_of_run(command)

    def record_evaluation(self, tenant: str, command: RecordEvaluation) -> None:
        """Hand over a verdict."""
        resource_id = f"{command.name}@{command.version}"
        self._send(tenant, command, definitions.stream(command.name), resource_id)

    def _send_of_run(self, command: StartRun | LogMetrics | CompleteRun | FailRun) -> None:
        """A command of a run that this source named."""
        run_id = command.run_id
        self._send(self._tenant(run_id), command, runs.stream(run_id), run_id)

    def _tenant(self, run_id: str) -> str:
        """Whose run it is. Raises RunUnknown if it is neither pending nor running."""
        for state in ("pending", "running"):
            if run_id in self._tenant_of:
                break
            self._local_runs(state)
        found = self._tenant_of.get(run_id)
        if found is None:
            raise RunUnknown(f"there is no run {run_id} to be done")
        return found

    def _send(self, tenant: str, command: Command, stream: StreamKey, resource_id: str) -> None:
        """In the workflow of the resource's newest event that is not the executor's own: its submission."""
        asked = [
            event
            for event in self._services.log.read_stream(tenant, stream)
            if event.resource_id == resource_id and event.actor.principal != _PRINCIPAL
        ]
        cause = asked[-1] if asked else None
        actor = Actor(
            principal=_PRINCIPAL, method="service", on_behalf_of=cause.actor.principal if cause else None
        )
        sender = Sender(
            tenant=tenant,
            actor=actor,
            correlation_id=cause.correlation_id if cause else None,
            causation_id=cause.event_id if cause else None,
        )
        self._bus.send(command, sender)

    def _local_runs(self, state: str) -> list[RunView]:
        self._catch_up()
        found: list[RunView] = []
        for tenant in self._tenants():
            filters = RunFilter(state=state, sort="submitted")
            runs_here = [
                one for one in _all(partial(self._queries.runs, tenant, filters)) if one.executor == "local"
            ]
            self._tenant_of.update({one.id: tenant for one in runs_here})
            found += runs_here
        return sorted(found, key=lambda run: run.submitted.position)

    def _catch_up(self) -> None:
        self._queries.wait(self._services.log.head(), _WAIT_S)

    def _manifest(self, tenant: str, run: RunSubmitted) -> Manifest:
        ref = run.definition
        stream = definitions.stream(ref.name)
        loaded = self._services.log.load(tenant, stream, definitions.INITIAL, definitions.evolve)
        return loaded.state.version(ref.name, ref.version).manifest

    def _source(self, tenant: str, pinned: PinnedInput, run: RunSubmitted) -> InputSource:
        stream = datasets.stream(pinned.dataset)
        loaded = self._services.log.load(tenant, stream, datasets.INITIAL, datasets.evolve)
        created = datasets.existing(loaded.state, pinned.dataset)
        facts = datasets.readable(loaded.state, pinned.dataset, pinned.version)
        return InputSource(
            dataset=pinned.dataset,
            version=pinned.version,
            role=pinned.role,
            use=pinned.use,
            manifest_sha256=facts.manifest_sha256,
            calendar=created.declaration.calendar,
            simulated=self._simulated(tenant, pinned) if pinned.dataset == run.output_dataset else (),
        )

    def _simulated(self, tenant: str, pinned: PinnedInput) -> tuple[tuple[int, int], ...]:
        """Rule 21: the rows, by `seq`, that simulated versions up to the pinned one added."""
        spans: list[tuple[int, int]] = []
        before = 0
        for recorded in self._services.log.read_stream(tenant, datasets.stream(pinned.dataset)):
            event = recorded.event
            if isinstance(event, DatasetVersionWritten) and event.number <= pinned.version:
                if event.simulated:
                    spans.append((before + 1, event.facts.last_seq))
                before = event.facts.last_seq
        return tuple(spans)


def _all(ask: Callable[[Paging], Page[V]]) -> list[V]:
    """Every page of a list."""
    found: list[V] = []
    cursor = None
    while True:
        page = ask(Paging(limit=LIMIT_MAX, cursor=cursor))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found
