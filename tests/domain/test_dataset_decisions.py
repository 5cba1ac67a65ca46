"""Datasets: created once, grown by versions, never changed."""

from typing import Any

import pytest

from domain.dataset import decider
from domain.dataset.commands import RegisterDatasetVersion
from domain.dataset.declaration import RESERVED_COLUMNS
from domain.dataset.errors import (
    DatasetDeclarationInvalid,
    DatasetEmpty,
    DatasetExists,
    DatasetNeededByProduction,
    DatasetNotOfInstance,
    DatasetParentStale,
    DatasetRowsChanged,
    DatasetUnknown,
    DatasetVersionNotReadable,
    DatasetVersionPending,
    DatasetVersionPurgedAlready,
    DatasetWrittenByRunsOnly,
)
from domain.dataset.events import (
    DatasetCreated,
    DatasetVersionCompacted,
    DatasetVersionPurged,
    DatasetVersionRegistered,
    DatasetVersionRejected,
    DatasetVersionVerified,
    DatasetVersionWritten,
    LocatedFile,
    Producer,
)
from tests.support.given_when_then import Given
from tests.support.valid import NOW, RUN, content_facts, data_file, declaration, digest

given = Given(decider.INITIAL, decider.evolve)
SOURCE = DatasetCreated(name="us-prices", kind="source", declaration=declaration(), instance=None)
PREDICTION = DatasetCreated(
    name="us-prices", kind="prediction", declaration=declaration(), instance="spx-alpha"
)
LOCATED = (LocatedFile(location="lake", key="a.parquet", sha256=digest("a"), rows=2),)
PRODUCER = Producer(service="prices", run="r1")


def written(number: int = 1, parent: int | None = None, name: str = "rows") -> DatasetVersionWritten:
    return DatasetVersionWritten(
        dataset="us-prices",
        number=number,
        parent=parent,
        files=(data_file(name),),
        facts=content_facts(),
        backfill=False,
        run_id=None,
        simulated=False,
    )


def registered(number: int = 1, parent: int | None = None) -> DatasetVersionRegistered:
    return DatasetVersionRegistered(
        dataset="us-prices",
        number=number,
        parent=parent,
        files=LOCATED,
        knowledge_first=NOW,
        knowledge_last=NOW,
        backfill=False,
        producer=PRODUCER,
    )


def verified(number: int = 1) -> DatasetVersionVerified:
    return DatasetVersionVerified(
        dataset="us-prices", number=number, files=(data_file(),), facts=content_facts()
    )


def rejected(number: int = 1) -> DatasetVersionRejected:
    return DatasetVersionRejected(
        dataset="us-prices", number=number, code="dataset.hash_mismatch", detail="no"
    )


def compacted(number: int = 1, name: str = "compact") -> DatasetVersionCompacted:
    return DatasetVersionCompacted(
        dataset="us-prices",
        number=number,
        files=(data_file(name),),
        row_hash=digest("row hash"),
        manifest_sha256=digest("compact manifest"),
    )


def purged(number: int = 1, *names: str, forced: bool = False) -> DatasetVersionPurged:
    files = tuple(data_file(name) for name in names or ("rows",))
    return DatasetVersionPurged(dataset="us-prices", number=number, files=files, forced=forced)


WRITTEN = (SOURCE, written())
REGISTERED = (SOURCE, registered())
VERIFIED = (*REGISTERED, verified())
REJECTED = (*REGISTERED, rejected())


def create(*columns: str) -> Any:
    return lambda state: decider.create(state, "us-prices", "source", declaration(*columns), None)


def register(parent: int | None = None) -> Any:
    command = RegisterDatasetVersion(
        dataset="us-prices",
        files=LOCATED,
        parent=parent,
        knowledge_first=NOW,
        knowledge_last=NOW,
        producer=PRODUCER,
    )
    return lambda state: decider.register(state, command)


def verify(state: decider.State) -> Any:
    return decider.verify(state, "us-prices", 1, (data_file(),), content_facts())


def reject(state: decider.State) -> Any:
    return decider.reject(state, "us-prices", 1, "dataset.hash_mismatch", "no")


def compact(row_hash: str = "row hash", manifest: str = "compact manifest") -> Any:
    return lambda state: decider.compact(
        state, "us-prices", 1, (data_file("compact"),), digest(row_hash), digest(manifest)
    )


def purge(number: int = 1, *needed_by: str, force: bool = False) -> Any:
    return lambda state: decider.purge(state, "us-prices", number, force=force, needed_by=needed_by)


def writable(instance: str | None) -> Any:
    return lambda state: (decider.writable(state, "us-prices", instance=instance), ())[1]


def readable(number: int = 1) -> Any:
    return lambda state: (decider.readable(state, "us-prices", number), ())[1]


def newest(state: decider.State) -> Any:
    return (decider.newest(state, "us-prices"), ())[1]


def write(state: decider.State) -> Any:
    return decider.write(
        state,
        "us-prices",
        files=(data_file(),),
        facts=content_facts(),
        backfill=False,
        run_id=RUN,
        simulated=True,
    )[1]


def test_a_dataset_is_created_under_a_free_name() -> None:
    given().when(create()).then(SOURCE)
    given(SOURCE).when(create()).refused(DatasetExists)


@pytest.mark.parametrize("column", RESERVED_COLUMNS)
def test_the_row_models_own_columns_cannot_be_declared(column: str) -> None:
    given().when(create("close", column)).refused(DatasetDeclarationInvalid, column)


def test_a_column_cannot_be_declared_twice() -> None:
    given().when(create("close", "close")).refused(DatasetDeclarationInvalid, "twice")


def test_a_source_is_written_by_uploads_and_no_run() -> None:
    given(SOURCE).when(writable(None)).then()
    given(SOURCE).when(writable("spx-alpha")).refused(DatasetNotOfInstance)


def test_predictions_are_written_by_runs_of_their_own_instance_only() -> None:
    given(PREDICTION).when(writable("spx-alpha")).then()
    given(PREDICTION).when(writable("other")).refused(DatasetNotOfInstance)
    given(PREDICTION).when(writable(None)).refused(DatasetWrittenByRunsOnly)
    given(PREDICTION).when(register()).refused(DatasetWrittenByRunsOnly)


def test_versions_are_numbered_without_a_hole_and_extend_the_newest_readable_one() -> None:
    history = given(*REJECTED, written(2), registered(3, parent=2))
    (event,) = write(history.state)
    assert (event.number, event.parent, event.run_id, event.simulated) == (4, 2, RUN, True)


def test_a_version_made_elsewhere_is_registered_on_the_newest_one() -> None:
    given(SOURCE).when(register()).then(registered())
    given(*WRITTEN).when(register(1)).then(registered(2, parent=1))


@pytest.mark.parametrize("parent", [None, 2])
def test_a_registration_on_another_parent_is_stale(parent: int | None) -> None:
    refusal = given(*WRITTEN).when(register(parent)).refused(DatasetParentStale)
    assert refusal.facts == {"newest": 1}


def test_nothing_is_added_while_a_registered_version_waits() -> None:
    given(*REGISTERED).when(writable(None)).refused(DatasetVersionPending)
    given(*REGISTERED).when(register()).refused(DatasetVersionPending)
    given(*VERIFIED).when(writable(None)).then()
    given(*REJECTED).when(register()).then(registered(2))


def test_a_registered_version_is_verified_or_rejected_once() -> None:
    given(*REGISTERED).when(verify).then(verified())
    given(*REGISTERED).when(reject).then(rejected())
    for decided in (VERIFIED, REJECTED, WRITTEN):
        given(*decided).when(verify).then()
        given(*decided).when(reject).then()


def test_only_written_or_verified_versions_can_be_read() -> None:
    given(*WRITTEN).when(readable()).then()
    given(*VERIFIED).when(readable()).then()
    for history, status in ((REGISTERED, "registered"), (REJECTED, "rejected")):
        refusal = given(*history).when(readable()).refused(DatasetVersionNotReadable)
        assert refusal.facts == {"status": status}


def test_a_purged_version_says_so_whatever_it_was() -> None:
    given(*WRITTEN, purged()).when(readable()).refused(DatasetVersionPurgedAlready)
    given(*REJECTED, purged()).when(readable()).refused(DatasetVersionPurgedAlready)


def test_the_newest_version_is_the_last_that_was_written_or_verified() -> None:
    given(SOURCE).when(newest).refused(DatasetEmpty)
    given(*REGISTERED).when(newest).refused(DatasetEmpty)
    assert decider.newest(given(*WRITTEN, registered(2, 1), rejected(2)).state, "us-prices") == 1
    assert decider.newest(given(*WRITTEN, registered(2, 1), verified(2)).state, "us-prices") == 2


def test_a_compaction_keeps_the_rows_and_renews_the_manifest() -> None:
    given(*WRITTEN).when(compact()).then(compacted())
    state = given(*WRITTEN, compacted()).state
    assert decider.readable(state, "us-prices", 1).manifest_sha256 == digest("compact manifest")
    given(*WRITTEN, compacted()).when(compact()).then()


def test_a_compaction_that_changed_the_rows_is_refused() -> None:
    given(*WRITTEN).when(compact(row_hash="other rows")).refused(DatasetRowsChanged)


def test_what_cannot_be_read_is_not_compacted() -> None:
    given(*REGISTERED).when(compact()).refused(DatasetVersionNotReadable)
    given(*WRITTEN, purged()).when(compact()).refused(DatasetVersionPurgedAlready)


def test_a_purge_names_the_files_that_the_version_added_and_happens_once() -> None:
    given(*WRITTEN).when(purge()).then(purged())
    given(*WRITTEN, purged()).when(purge()).then()


def test_a_purge_takes_every_compacted_copy_of_the_rows_too() -> None:
    history = (*WRITTEN, written(2, 1, "more"), compacted(2))
    given(*history).when(purge(1)).then(purged(1, "rows", "compact"))
    given(*history).when(purge(2)).then(purged(2, "more", "compact"))
    given(*WRITTEN, compacted(1), written(2, 1, "more")).when(purge(2)).then(purged(2, "more"))


def test_a_compaction_into_the_same_file_is_purged_once() -> None:
    given(*WRITTEN, compacted(1, "rows")).when(purge()).then(purged())


def test_what_production_needs_is_purged_by_force_only() -> None:
    refusal = given(*WRITTEN).when(purge(1, "spx-alpha@3")).refused(DatasetNeededByProduction, "spx-alpha@3")
    assert refusal.facts == {"versions": ["spx-alpha@3"]}
    given(*WRITTEN).when(purge(1, "spx-alpha@3", force=True)).then(purged(forced=True))


@pytest.mark.parametrize(
    "decide", [register(), verify, reject, compact(), purge(), readable(), newest, writable(None)]
)
def test_an_unknown_dataset_refuses_everything(decide: Any) -> None:
    given().when(decide).refused(DatasetUnknown)


@pytest.mark.parametrize("number", [0, 2])
def test_an_unknown_version_is_refused(number: int) -> None:
    given(*WRITTEN).when(purge(number)).refused(DatasetUnknown, f"us-prices@{number}")
    given(*WRITTEN).when(readable(number)).refused(DatasetUnknown)
