"""Small real adapters for the ports that handlers need; each keeps its port's promises."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast
from uuid import UUID

from application.ports import ActivityLog, Outcome, StreamCheck, StreamWrite
from domain.alert.events import AlertRaised, AlertResolved
from domain.ml_module_def.manifest import Manifest
from domain.ml_module_def.package_errors import DefinitionPackageMalformed
from domain.model_instance.events import InstanceActiveVersionChanged, InstanceCreated, InstanceUpdated
from domain.model_version.events import VersionRegistered
from domain.run.again import tells_the_past_again
from domain.run.events import RunCompleted, RunSubmitted
from domain.shared.activity import Envelope, Event
from domain.shared.ids import uuid7
from domain.shared.references import VersionRef
from tests.support.valid import NOW


class FixedClock:
    """Stands until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        self._now += by


class SeededIds:
    """The same ids in the same order for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def run_id(self) -> str:
        return str(uuid7(1_773_507_600_000, self._random.getrandbits(74)))

    def command_id(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)


class KnownPackages:
    """Packages by hash, read before the test began."""

    def __init__(self) -> None:
        self._manifests: dict[str, Manifest] = {}

    def add(self, manifest: Manifest) -> str:
        """Make a package known; returns its hash."""
        self._manifests[manifest.package_sha256] = manifest
        return manifest.package_sha256

    def inspect(self, package_sha256: str) -> Manifest:
        if package_sha256 not in self._manifests:
            raise DefinitionPackageMalformed(f"{package_sha256} is no package")
        return self._manifests[package_sha256]


class WeekdaySessions:
    """One calendar, `XNYS`: open on weekdays, closing at 21:00 UTC."""

    def known(self, calendar: str) -> bool:
        return calendar == "XNYS"

    def closes(self, calendar: str, first: date, last: date) -> Sequence[tuple[date, datetime]]:
        assert self.known(calendar)
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [(day, datetime.combine(day, time(21), UTC)) for day in days if day.weekday() < 5]


class LogLookups:
    """Candidates found by reading the whole log, up to the position asked for."""

    def __init__(self, log: ActivityLog) -> None:
        self._log = log

    def pending_runs(self, tenant: str, instance: str, position: int) -> Sequence[str]:
        pending: dict[str, None] = {}
        for event in self._events(tenant, position):
            if isinstance(event, RunSubmitted) and event.instance == instance:
                pending[event.run_id] = None
            elif event.action().endswith(("_run.started", "_run.failed", "_run.cancelled")):
                pending.pop(event.run_id, None)  # type: ignore[attr-defined]
        return list(pending)

    def instances_following(self, tenant: str, dataset: str, position: int) -> Sequence[str]:
        names: dict[str, None] = {}
        for event in self._events(tenant, position):
            if isinstance(event, InstanceCreated | InstanceUpdated):
                schedules = event.specification.schedules
                if any(one.after_dataset == dataset for one in schedules):
                    names[event.name] = None
        return sorted(names)

    def runs_telling(
        self, tenant: str, instance: str, metric: str, count: int, position: int
    ) -> Sequence[str]:
        asked: dict[str, RunSubmitted] = {}
        found: list[str] = []
        for event in self._events(tenant, position):
            if isinstance(event, RunSubmitted):
                asked[event.run_id] = event
            elif isinstance(event, RunCompleted) and event.instance == instance and metric in event.metrics:
                found.append(event.run_id)
        return [run_id for run_id in found if not tells_the_past_again(asked[run_id])][-count:]

    def open_alerts(self, tenant: str, instance: str, position: int) -> Sequence[str]:
        found: dict[str, None] = {}
        for event in self._events(tenant, position):
            if isinstance(event, AlertRaised) and event.instance == instance:
                found[event.alert_id] = None
            elif isinstance(event, AlertResolved):
                found.pop(event.alert_id, None)
        return list(found)

    def production_versions_reading(
        self, tenant: str, dataset: str, number: int, position: int
    ) -> Sequence[VersionRef]:
        readers: set[VersionRef] = set()
        active: dict[str, int | None] = {}
        for event in self._events(tenant, position):
            if isinstance(event, VersionRegistered):
                if any(one.dataset == dataset and one.version >= number for one in event.inputs):
                    readers.add(VersionRef(event.instance, event.number))
            elif isinstance(event, InstanceActiveVersionChanged):
                active[event.name] = event.active
        return sorted(ref for ref in readers if active.get(ref.name) == ref.number)

    def _events(self, tenant: str, position: int) -> Iterator[Event]:
        recorded = self._log.read(0, position) if position else ()
        return (one.event for one in recorded if one.tenant == tenant and one.event)


class InterleavedLog:
    """The log behind it, except that something happens just before chosen appends."""

    def __init__(self, log: ActivityLog) -> None:
        self._log = log
        self._before: list[Callable[[], object]] = []
        self.appends = 0
        """How many appends were tried, conflicts among them."""

    def just_before_append(self, *happenings: Callable[[], object]) -> None:
        """The first happens before the next append, the second before the one after it, …"""
        self._before.extend(happenings)

    def append(
        self, envelope: Envelope, writes: Sequence[StreamWrite], checks: Sequence[StreamCheck] = ()
    ) -> Outcome:
        if self._before:
            self._before.pop(0)()
        self.appends += 1
        return self._log.append(envelope, writes, checks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def as_log(self) -> ActivityLog:
        """Seen as the port."""
        return cast("ActivityLog", self)
