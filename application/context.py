"""What a handler works with: the ports, and the envelope of the command in hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from application.ports import (
    ActivityLog,
    ArtifactStore,
    Clock,
    DatasetStore,
    Ids,
    Loaded,
    Outcome,
    Packages,
    Sessions,
    StreamCheck,
    StreamWrite,
)
from domain.guardrails.events import GuardrailEvaluated
from domain.shared.activity import Envelope, Event, StreamKey
from domain.shared.errors import StreamVersionStale
from domain.shared.references import VersionRef

S = TypeVar("S")


class Lookups(Protocol):
    """Questions that no single stream answers; answered from views that have seen everything up to
    `position`.

    They only find candidates: what a decision relies on is read from its stream and checked in the append.
    """

    def pending_runs(self, tenant: str, instance: str, position: int) -> Sequence[str]:
        """Ids of the instance's pending runs."""
        ...

    def instances_following(self, tenant: str, dataset: str, position: int) -> Sequence[str]:
        """Names of instances that may have a schedule after new versions of this dataset."""
        ...

    def runs_telling(
        self, tenant: str, instance: str, metric: str, count: int, position: int
    ) -> Sequence[str]:
        """Ids of the last `count` completed runs of an instance that told a metric, oldest first; without
        those that tell the past again.
        """
        ...

    def open_alerts(self, tenant: str, instance: str, position: int) -> Sequence[str]:
        """Ids of the instance's open alerts."""
        ...

    def production_versions_reading(
        self, tenant: str, dataset: str, number: int, position: int
    ) -> Sequence[VersionRef]:
        """Production model versions whose training read this dataset version or a later one built on it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Services:
    """The ports, wired once."""

    log: ActivityLog
    artifacts: ArtifactStore
    datasets: DatasetStore
    packages: Packages
    sessions: Sessions
    lookups: Lookups
    clock: Clock
    ids: Ids


@dataclass(frozen=True, kw_only=True)
class Context:
    """One command's view of the services."""

    services: Services
    envelope: Envelope
    expected: Mapping[StreamKey, int] = field(default_factory=dict[StreamKey, int])
    """Stream versions that the sender demands (`If-Match`, `expected_versions`)."""
    dry_run: bool = False

    @property
    def tenant(self) -> str:
        """The tenant of the command."""
        return self.envelope.tenant

    @property
    def principal(self) -> str:
        """Who sent the command."""
        return self.envelope.actor.principal

    def load(self, stream: StreamKey, initial: S, evolve: Callable[[S, Event], S]) -> Loaded[S]:
        """Fold a stream of the command's tenant."""
        return self.services.log.load(self.tenant, stream, initial, evolve)

    def check_expected(self) -> None:
        """Every stream that the sender named stands where the sender saw it, whether the decision uses it or
        not; the append checks it again. Raises StreamVersionStale.
        """
        for stream, wanted in self.expected.items():
            current = self.load(stream, None, _keep).version
            if wanted != current:
                raise StreamVersionStale(
                    f"{stream.resource_type} {stream.name} is at version {current}, not {wanted}",
                    current=current,
                )

    def append(self, *writes: StreamWrite, checks: Sequence[StreamCheck] = ()) -> Outcome:
        """Record the events at the versions that were loaded; writes without events become checks, and so do
        the versions that the sender demands.
        """
        real = [write for write in writes if write.events]
        idle = [StreamCheck(write.stream, write.expected) for write in writes if not write.events]
        demanded = [StreamCheck(stream, version) for stream, version in self.expected.items()]
        if self.dry_run:
            return Outcome(kind="unchanged", position=self.services.log.head(), facts=_verdict(real))
        return self.services.log.append(self.envelope, real, [*checks, *idle, *demanded])


def _keep(state: None, _event: Event) -> None:
    """Nothing is folded where only the version is asked for."""
    return state


def _verdict(writes: Sequence[StreamWrite]) -> dict[str, Any]:
    """What a dry run is for: the report of the gate that the command would pass."""
    reports = [
        event.report for one in writes for event in one.events if isinstance(event, GuardrailEvaluated)
    ]
    return {"report": reports[0]} if reports else {}


def write(stream: StreamKey, loaded: Loaded[S], events: tuple[Event, ...]) -> StreamWrite:
    """Events for a stream at the version it was loaded at."""
    return StreamWrite(stream, loaded.version, events)


def check(stream: StreamKey, loaded: Loaded[S]) -> StreamCheck:
    """The decision relied on this stream: it must not have moved."""
    return StreamCheck(stream, loaded.version)
