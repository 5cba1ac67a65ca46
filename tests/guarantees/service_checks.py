"""What must hold of a data folder, whatever was killed: judged from the clients' histories and the log."""

import threading
from collections import defaultdict
from pathlib import Path
from uuid import UUID

from domain.model_version.events import (
    VersionArchived,
    VersionPromoted,
    VersionRegistered,
    VersionRolledBack,
)
from domain.shared.activity import RecordedEvent
from domain.shared.ids import event_id, policy_command_id
from infrastructure.activity_log import open_activity_log, open_readonly
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.artifacts.store import FolderArtifactStore
from infrastructure.bootstrap import artifacts_path, datasets_path, log_path, views_path
from infrastructure.calendars import ExchangeSessions
from infrastructure.datasets.store import FolderDatasetStore
from infrastructure.verification import verify_all
from infrastructure.views import open_views
from tests.guarantees.service_clients import TENANT, Sent
from tests.guarantees.service_world import AUTOMATIC, METRIC, THRESHOLD
from tests.projections.support.comparing import Comparison
from tests.projections.support.oracle import Model

PAGE = 5_000


class Ledger:
    """The log as an auditor reads it: each position once, in order, grouped by command."""

    def __init__(self, data: Path) -> None:
        self._path = log_path(data)
        self.events: list[RecordedEvent] = []
        self.of_command: dict[UUID, list[RecordedEvent]] = defaultdict(list)

    def read_on(self) -> None:
        """Read what came since the last time."""
        with open_readonly(self._path) as log:
            while page := log.read(len(self.events), PAGE):
                for event in page:
                    assert event.position == len(self.events) + 1, "a hole in the positions"
                    self.events.append(event)
                    self.of_command[event.command_id].append(event)

    def check(self, sent: list[Sent]) -> None:
        """Acknowledged commands are there once and whole, unknown ones 0 or 1 time, refused ones not."""
        for command in sent:
            events = self.of_command.get(command.command_id, [])
            positions = [event.position for event in events]
            ids = [event_id(TENANT, command.command_id, ordinal) for ordinal in range(len(events))]
            assert [event.event_id for event in events] == ids, f"{command} had two effects, or half of one"
            assert positions == list(range(positions[0], positions[0] + len(events))) if events else True
            if command.fate == "unknown":
                command.was_there = bool(positions)
            elif command.fate == "accepted":
                assert positions, f"{command} was acknowledged and is lost"
                assert positions[-1] == command.position
            elif command.fate != "stored":
                blocked = command.answer.get("code") == "guardrail.blocked"
                assert bool(positions) == blocked, f"{command} left events"

    def check_production(self) -> None:
        """At most one production version an instance at every position."""
        production: dict[str, set[int]] = defaultdict(set)
        for recorded in self.events:
            match recorded.event:
                case VersionPromoted(instance=name, number=number):
                    production[name].add(number)
                case VersionRolledBack(instance=name, number=number):
                    production[name].add(number)
                case VersionArchived(instance=name, number=number):
                    production[name].discard(number)
                case _:
                    continue
            if recorded is self._last_of_command(recorded):
                assert len(production[name]) <= 1, f"{production[name]} at {recorded.position}"

    def _last_of_command(self, recorded: RecordedEvent) -> RecordedEvent:
        return self.of_command[recorded.command_id][-1]

    def check_policy(self) -> int:
        """Each good version was considered, and promoted by policy at most once; how many were."""
        promoted = 0
        for recorded in self.events:
            version = recorded.event
            if not isinstance(version, VersionRegistered) or version.instance != AUTOMATIC:
                continue
            command = policy_command_id("promotion:promote_version", recorded.event_id)
            caused = [one for one in self.events if one.causation_id == recorded.event_id]
            by_policy = [one for one in caused if isinstance(one.event, VersionPromoted)]
            assert {one.command_id for one in by_policy} <= {command}
            assert len(by_policy) <= 1
            good = version.metrics[METRIC] >= THRESHOLD and version.stage == "staging"
            with open_readonly(self._path) as log:
                outcome = log.outcome(TENANT, command)
            assert (outcome is not None) == good, f"{version.instance}@{version.number}: {outcome}"
            promoted += len(by_policy)
        return promoted


def check_folder(data: Path, ledger: Ledger) -> None:
    """The log is whole, the views are its fold, every named byte is there; nothing lies in the folders of
    writes in progress. No service runs.
    """
    artifacts = FolderArtifactStore(artifacts_path(data))
    datasets = FolderDatasetStore(datasets_path(data), zone_of=ExchangeSessions().zone)
    with open_activity_log(log_path(data), SystemClock()) as log:
        views = open_views(views_path(data), log)
        try:
            views.catch_up()
            found = verify_all(log, views, artifacts, datasets)
            assert found.problems == [], found.problems
            assert found.events == len(ledger.events)
            assert found.artifacts
            assert found.data_files
            Comparison(views.queries, _folded(ledger), found.events, limit=500).all()
        finally:
            views.close()
    for store in (artifacts_path(data), datasets_path(data)):
        assert list((store / "tmp").iterdir()) == []


def _folded(ledger: Ledger) -> Model:
    """The same events, folded by a model that shares nothing with the views."""
    model = Model(TENANT)
    for event in ledger.events:
        model.fold(event)
    return model


def joined(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
