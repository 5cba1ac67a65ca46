"""Proofs over a data folder: the log is whole, the views are its fold, the bytes what the events say."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from application.errors import DatasetPurged
from application.ports import ArtifactStore, DatasetStore
from domain.dataset.events import (
    DatasetVersionCompacted,
    DatasetVersionPurged,
    DatasetVersionVerified,
    DatasetVersionWritten,
)
from domain.ml_module_def.events import DefinitionEvaluated, DefinitionSubmitted
from domain.model_version.events import VersionPurged, VersionRegistered
from domain.run.events import RunCompleted, RunFailed
from domain.shared.activity import Event
from domain.shared.errors import RuleBroken
from infrastructure.activity_log import DatabaseActivityLog, open_activity_log
from infrastructure.activity_log.readable import ReadableLog
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.views import ViewReader, Views, open_views

_PAGE = 2_000


@dataclass(frozen=True)
class Replay:
    """What a log gives: its events, the hash of its records and the hash of all views' states."""

    events: int
    log: str
    state: str


@dataclass
class Verification:
    """What was checked and what was wrong."""

    events: int = 0
    artifacts: int = 0
    data_versions: int = 0
    data_files: int = 0
    views: int = 0
    problems: list[str] = field(default_factory=list[str])


@dataclass
class _Named:
    """What the events say must be there."""

    artifacts: dict[str, str] = field(default_factory=dict[str, str])
    """SHA-256 to what it belongs to. A purge takes it out, storing the same bytes again brings it back."""
    manifests: dict[tuple[str, str, int], str] = field(default_factory=dict[tuple[str, str, int], str])
    files: set[str] = field(default_factory=set[str])
    purged_files: set[str] = field(default_factory=set[str])


def verify_all(
    log: ReadableLog,
    views: Views | ViewReader | None,
    artifacts: ArtifactStore,
    datasets: DatasetStore,
    *,
    tenant: str | None = None,
) -> Verification:
    """Read everything once; the problems found are said, never raised.

    `tenant`: log and views are checked whole, but of artifacts and data only this tenant's, which are named.
    """
    found = Verification()
    verdict = log.verify()
    found.events = verdict.events
    if verdict.problem is not None:
        found.problems.append(f"log: position {verdict.problem.position}: {verdict.problem.detail}")
        return found
    if views is not None:
        _verify_views(views, found)
    named = _named(log, tenant)
    _verify_artifacts(named, artifacts, found)
    _verify_datasets(named, datasets, found)
    return found


def _verify_views(views: Views | ViewReader, found: Verification) -> None:
    for report in views.verify():
        found.views += 1
        if not report.is_equal:
            found.problems.append(f"view {report.projection}: differs from the fold of the log")


def _verify_artifacts(named: _Named, artifacts: ArtifactStore, found: Verification) -> None:
    for sha256, owner in named.artifacts.items():
        found.artifacts += 1
        try:
            artifacts.checked_path(sha256)
        except RuleBroken as broken:
            found.problems.append(f"{owner}: {broken.code}: {broken.detail}")


def _verify_datasets(named: _Named, datasets: DatasetStore, found: Verification) -> None:
    for (_, name, number), manifest in sorted(named.manifests.items()):
        found.data_versions += 1
        problems = [one for one in datasets.verify(manifest) if not _is_wanted(one, named.purged_files)]
        found.problems += [f"{name}@{number}: {problem}" for problem in problems]
    found.data_files = len(named.files - named.purged_files)


def _is_wanted(problem: str, purged: set[str]) -> bool:
    """Whether it only says that bytes are gone which the log says were purged."""
    return problem.startswith(f"{DatasetPurged.code}: ") and any(sha256 in problem for sha256 in purged)


def _events(log: ReadableLog) -> Iterator[tuple[str, Event]]:
    position = 0
    while page := log.read(position, _PAGE):
        position = page[-1].position
        yield from ((one.tenant, one.event) for one in page if one.event is not None)


def _named(log: ReadableLog, only: str | None) -> _Named:
    named = _Named()
    for tenant, event in _events(log):
        if only not in (None, tenant):
            continue
        owner = ":".join(event.resource())
        match event:
            case DefinitionSubmitted(manifest=manifest):
                named.artifacts[manifest.package_sha256] = owner
            case DefinitionEvaluated(report_sha256=str(report)):
                named.artifacts[report] = owner
            case VersionRegistered(artifact_sha256=artifact):
                named.artifacts[artifact] = owner
            case VersionPurged(artifact_sha256=artifact):
                named.artifacts.pop(artifact, None)
            case RunCompleted(log_sha256=str(text)) | RunFailed(log_sha256=str(text)):
                named.artifacts[text] = owner
            case DatasetVersionWritten() | DatasetVersionVerified():
                named.manifests[tenant, event.dataset, event.number] = event.facts.manifest_sha256
                named.files.update(file.sha256 for file in event.files)
            case DatasetVersionCompacted():
                named.manifests[tenant, event.dataset, event.number] = event.manifest_sha256
                named.files.update(file.sha256 for file in event.files)
            case DatasetVersionPurged():
                named.purged_files.update(file.sha256 for file in event.files)
            case _:
                pass
    return named


def replay_of(log: DatabaseActivityLog, views: Views | ViewReader) -> Replay:
    """What the present log and its views hash to, at the log's head."""
    head = log.head()
    views.wait(head, 60.0)
    return Replay(events=head, log=log.log_hash(), state=_state(views))


def replay_export(export: Path, folder: Path) -> Replay:
    """Import an export into a new log in an empty folder, fold it into new views, and hash both."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_activity_log(folder / "log.sqlite", SystemClock()) as log:
        log.import_from(export)
        views = open_views(folder / "views.sqlite", log)
        try:
            views.catch_up()
            return replay_of(log, views)
        finally:
            views.close()


def _state(views: Views | ViewReader) -> str:
    """One hash over the state hashes of all views."""
    digest = hashlib.sha256()
    for each in sorted(views.state_hashes(), key=lambda one: one.projection):
        digest.update(f"{each.projection} {each.sha256}\n".encode())
    return digest.hexdigest()
