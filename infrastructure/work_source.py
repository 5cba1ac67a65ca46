"""The service as its executor sees it: work found in the views, claimed and settled by commands."""

from collections.abc import Mapping, Sequence

from application.bus import Bus, Sender
from application.context import Services
from application.queries import LIMIT_MAX, DefinitionFilter, Paging, Queries, RunFilter
from application.views import RunView
from domain.dataset import decider as datasets
from domain.ml_module_def import decider as definitions
from domain.ml_module_def.commands import RecordEvaluation
from domain.ml_module_def.manifest import Manifest
from domain.run import decider as runs
from domain.run.commands import CompleteRun, FailRun, LogMetrics, StartRun
from domain.run.errors import RunAlreadyClaimed, RunAlreadyFinished, RunInstanceClosed
from domain.run.events import RunSubmitted
from domain.run.pins import PinnedInput
from domain.shared.activity import Actor, StreamKey
from domain.shared.command import Command
from domain.shared.errors import RuleBroken
from infrastructure.execution.work import InputSource, RunWork

_PRINCIPAL = "service:executor"
_WAIT_S = 30.0


class ServiceWork:
    """The adapter of `infrastructure.execution.work.WorkSource` on bus, log and views of one tenant."""

    def __init__(self, *, services: Services, bus: Bus, queries: Queries, tenant: str) -> None:
        self._services = services
        self._bus = bus
        self._queries = queries
        self._tenant = tenant

    def pending_runs(self) -> Sequence[str]:
        """Ids of pending runs for the local executor, oldest first."""
        return [run.id for run in self._local_runs("pending")]

    def running_runs(self, worker: str) -> Sequence[str]:
        """Ids of runs that stand as running with this worker."""
        running = self._local_runs("running")
        return [run.id for run in running if run.started is not None and run.started.worker == worker]

    def unevaluated_definitions(self) -> Sequence[Manifest]:
        """Submitted definition versions without a verdict."""
        self._catch_up()
        found: list[Manifest] = []
        cursor = None
        while True:
            paging = Paging(limit=LIMIT_MAX, cursor=cursor)
            page = self._queries.definitions(self._tenant, DefinitionFilter(state="submitted"), paging)
            found += [one.manifest for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    def start(
        self, run_id: str, worker: str, python: str, distributions: Mapping[str, str]
    ) -> RunWork | None:
        """Claim a run; None if it cannot be had any more, or if what it pinned is gone: then it failed."""
        command = StartRun(run_id=run_id, worker=worker, python=python, distributions=dict(distributions))
        try:
            self._send(command, runs.stream(run_id), run_id)
        except (RunAlreadyClaimed, RunAlreadyFinished, RunInstanceClosed):
            return None
        try:
            return self._work(run_id)
        except RuleBroken as broken:
            self.fail(FailRun(run_id=run_id, code=broken.code, message=broken.detail[:4000]))
            return None

    def _work(self, run_id: str) -> RunWork:
        log = self._services.log
        run = runs.existing(
            log.load(self._tenant, runs.stream(run_id), runs.INITIAL, runs.evolve).state, run_id
        )
        return RunWork(run=run, manifest=self._manifest(run), inputs=tuple(map(self._source, run.inputs)))

    def log_metrics(self, command: LogMetrics) -> None:
        """Record metric points."""
        self._send(command, runs.stream(command.run_id), command.run_id)

    def complete(self, command: CompleteRun) -> None:
        """Hand over results."""
        self._send(command, runs.stream(command.run_id), command.run_id)

    def fail(self, command: FailRun) -> None:
        """Say that a run ended without a result."""
        self._send(command, runs.stream(command.run_id), command.run_id)

    def record_evaluation(self, command: RecordEvaluation) -> None:
        """Hand over a verdict."""
        self._send(command, definitions.stream(command.name), f"{command.name}@{command.version}")

    def _send(self, command: Command, stream: StreamKey, resource_id: str) -> None:
        """In the workflow of the resource's newest event that is not the executor's own: its submission."""
        asked = [
            event
            for event in self._services.log.read_stream(self._tenant, stream)
            if event.resource_id == resource_id and event.actor.principal != _PRINCIPAL
        ]
        cause = asked[-1] if asked else None
        actor = Actor(
            principal=_PRINCIPAL, method="service", on_behalf_of=cause.actor.principal if cause else None
        )
        sender = Sender(
            tenant=self._tenant,
            actor=actor,
            correlation_id=cause.correlation_id if cause else None,
            causation_id=cause.event_id if cause else None,
        )
        self._bus.send(command, sender)

    def _local_runs(self, state: str) -> list[RunView]:
        self._catch_up()
        found: list[RunView] = []
        cursor = None
        while True:
            paging = Paging(limit=LIMIT_MAX, cursor=cursor)
            page = self._queries.runs(self._tenant, RunFilter(state=state, sort="submitted"), paging)
            found += [run for run in page.items if run.executor == "local"]
            cursor = page.next_cursor
            if cursor is None:
                return found

    def _catch_up(self) -> None:
        self._queries.wait(self._services.log.head(), _WAIT_S)

    def _manifest(self, run: RunSubmitted) -> Manifest:
        ref = run.definition
        stream = definitions.stream(ref.name)
        loaded = self._services.log.load(self._tenant, stream, definitions.INITIAL, definitions.evolve)
        return loaded.state.version(ref.name, ref.version).manifest

    def _source(self, pinned: PinnedInput) -> InputSource:
        stream = datasets.stream(pinned.dataset)
        loaded = self._services.log.load(self._tenant, stream, datasets.INITIAL, datasets.evolve)
        created = datasets.existing(loaded.state, pinned.dataset)
        facts = datasets.readable(loaded.state, pinned.dataset, pinned.version)
        return InputSource(
            dataset=pinned.dataset,
            version=pinned.version,
            role=pinned.role,
            use=pinned.use,
            manifest_sha256=facts.manifest_sha256,
            calendar=created.declaration.calendar,
        )
