"""`verify` finds what was changed behind the service's back and names it; a clean folder raises no alarm."""

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.dataset.commands import CompactDataset, PurgeDatasetVersion
from domain.model_version.commands import PurgeVersionArtifact
from domain.run.commands import CompleteRun
from domain.run.pins import Artifact
from infrastructure.verification import Verification, replay_export, replay_of, verify_all
from infrastructure.views import PROJECTIONS
from tests.support.desk import prices
from tests.wiring.wired_desk import WiredDesk


@pytest.fixture
def lived(desk: WiredDesk) -> WiredDesk:
    """A definition, two versions of the prices and two of the model, the second in production."""
    desk.services.artifacts.put(b"package 1.0.0")
    desk.ready()
    desk.upload(prices(2, first=2))
    desk.promoted()
    desk.promoted()
    desk.seen()
    return desk


def verified(desk: WiredDesk) -> Verification:
    desk.seen()
    return verify_all(desk.log, desk.views, desk.services.artifacts, desk.services.datasets)


def stored(desk: WiredDesk, sha256: str) -> Path:
    """The object's file, wherever its store keeps it."""
    (found,) = [path for path in desk.folder.rglob(f"*{sha256[4:]}*") if path.is_file()]
    found.chmod(0o600)
    return found


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def artifact_of(desk: WiredDesk, number: int) -> Path:
    registered = desk.version_state(number).registered
    assert registered is not None
    return stored(desk, registered.artifact_sha256)


def data_file_of(desk: WiredDesk, number: int) -> Path:
    written = [one.event for one in desk.since(0) if one.action == "dataset_version.written"]
    return stored(desk, written[number - 1].files[0].sha256)  # type: ignore[union-attr]


def manifest_of(desk: WiredDesk, number: int) -> Path:
    written = [one.event for one in desk.since(0) if one.action == "dataset_version.written"]
    return stored(desk, written[number - 1].facts.manifest_sha256)  # type: ignore[union-attr]


def test_a_clean_folder_raises_no_alarm_and_everything_was_looked_at(lived: WiredDesk) -> None:
    found = verified(lived)
    assert found.problems == []
    assert (found.events, found.views) == (lived.log.head(), len(PROJECTIONS))
    assert (found.artifacts, found.data_versions, found.data_files) == (3, 2, 2)


@pytest.mark.parametrize(
    ("path_of", "named"),
    [
        (lambda desk: artifact_of(desk, 1), ["model_version:spx-alpha@1: artifact.hash_mismatch"]),
        (lambda desk: artifact_of(desk, 2), ["model_version:spx-alpha@2: artifact.hash_mismatch"]),
        (lambda desk: data_file_of(desk, 2), ["us-prices@2: dataset.hash_mismatch"]),
        (
            lambda desk: data_file_of(desk, 1),
            ["us-prices@1: dataset.hash_mismatch", "us-prices@2: dataset.hash_mismatch"],
        ),
        (lambda desk: manifest_of(desk, 1), ["us-prices@1: dataset.hash_mismatch"]),
    ],
)
def test_a_flipped_byte_is_found_and_named(
    lived: WiredDesk, path_of: Callable[[WiredDesk], Path], named: list[str]
) -> None:
    flip(path_of(lived))
    problems = verified(lived).problems
    assert [": ".join(problem.split(": ")[:2]) for problem in problems] == [
        ": ".join(one.split(": ")[:2]) for one in named
    ]


@pytest.mark.parametrize(
    ("path_of", "named"),
    [
        (lambda desk: artifact_of(desk, 2), "model_version:spx-alpha@2: artifact.missing"),
        (lambda desk: data_file_of(desk, 2), "us-prices@2: dataset.file_missing"),
        (lambda desk: manifest_of(desk, 2), "us-prices@2: dataset.manifest_missing"),
    ],
)
def test_a_missing_file_is_found_and_named(
    lived: WiredDesk, path_of: Callable[[WiredDesk], Path], named: str
) -> None:
    path_of(lived).unlink()
    (problem,) = verified(lived).problems
    assert problem.startswith(named)


CHANGES = ["UPDATE {table} SET {column} = 'forged'", "DELETE FROM {table}"]
FORGED = {
    "registry": ("registry_version", "stage"),
    "runs": ("runs_run", "state"),
    "datasets": ("datasets_version", "state"),
    "lineage": ("lineage_node", "id"),
    "activity": ("activity_event", "actor"),
}


@pytest.mark.parametrize("change", CHANGES, ids=["changed", "deleted"])
@pytest.mark.parametrize("view", FORGED)
def test_a_view_row_that_was_changed_by_hand_is_found_and_its_view_named(
    lived: WiredDesk, view: str, change: str
) -> None:
    relation, column = FORGED[view]
    with lived.views.projector.store.write() as connection:
        named = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()
        (table,) = [name for name in named if name.rpartition("_")[0] == relation]
        one = f" WHERE {column} = (SELECT min({column}) FROM {table})"
        changed = connection.exec_driver_sql(change.format(table=table, column=column) + one)
        assert changed.rowcount >= 1
    assert verified(lived).problems == [f"view {view}: differs from the fold of the log"]
    lived.views.rebuild([view])
    assert verified(lived).problems == []


def test_purged_bytes_are_no_problem_and_bytes_that_follow_them_are_still_checked(lived: WiredDesk) -> None:
    with lived.followed():
        lived.send(PurgeVersionArtifact(instance="spx-alpha", number=1))
        lived.send(PurgeDatasetVersion(dataset="us-prices", number=1, force=True))
        lived.until(lambda: lived.progress().load() == lived.log.head(), "the bytes are gone")
    found = verified(lived)
    assert found.problems == []
    assert (found.artifacts, found.data_files) == (2, 1)
    flip(data_file_of(lived, 2))
    assert ["hash_mismatch" in problem for problem in verified(lived).problems] == [True]


def test_an_artifact_that_comes_back_after_its_purge_is_checked_again(lived: WiredDesk) -> None:
    registered = lived.version_state(1).registered
    assert registered is not None
    content = lived.services.artifacts.get(registered.artifact_sha256)
    with lived.followed():
        lived.send(PurgeVersionArtifact(instance="spx-alpha", number=1))
        lived.until(lambda: lived.progress().load() == lived.log.head(), "the bytes are gone")
    again = Artifact(
        sha256=lived.services.artifacts.put(content), size_bytes=len(content), format="xgboost-json"
    )
    lived.send(CompleteRun(run_id=lived.start(lived.submit()), metrics={"rank_ic": 0.1}, artifact=again))
    assert verified(lived).problems == []
    flip(artifact_of(lived, 3))
    (problem,) = verified(lived).problems
    assert problem.startswith("model_version:spx-alpha@3: artifact.hash_mismatch")


def test_a_compacted_dataset_is_checked_in_its_new_files(lived: WiredDesk) -> None:
    lived.send(CompactDataset(dataset="us-prices"))
    assert verified(lived).problems == []
    compacted = next(one.event for one in lived.since(0) if one.action == "dataset_version.compacted")
    flip(stored(lived, compacted.files[0].sha256))  # type: ignore[union-attr]
    (problem,) = verified(lived).problems
    assert problem.startswith("us-prices@2: dataset.hash_mismatch")


def test_an_export_replayed_elsewhere_gives_the_same_hashes(lived: WiredDesk, tmp_path_factory) -> None:
    scratch = tmp_path_factory.mktemp("replay")
    with (scratch / "export.jsonl").open("w", encoding="utf-8") as lines:
        lived.log.export(lines)
    live = replay_of(lived.log, lived.views)
    assert replay_export(scratch / "export.jsonl", scratch / "one") == live
    assert live.events == lived.log.head()
    lived.send(PurgeVersionArtifact(instance="spx-alpha", number=1))
    later = replay_of(lived.log, lived.views)
    assert (later.log, later.state) != (live.log, live.state)
