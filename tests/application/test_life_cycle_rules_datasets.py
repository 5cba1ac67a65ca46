"""Rules 1, 7-10: source and prediction datasets, uploads, versions made elsewhere, purges."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from application.errors import ArtifactMissing, DatasetRowDuplicated
from domain.dataset.commands import (
    CompactDataset,
    CreateDataset,
    PurgeDatasetVersion,
    RegisterDatasetVersion,
    RejectDatasetVersion,
    VerifyDatasetVersion,
    WriteDatasetVersion,
)
from domain.dataset.declaration import DataFile
from domain.dataset.errors import (
    DatasetDeclarationInvalid,
    DatasetEmpty,
    DatasetExists,
    DatasetParentStale,
    DatasetUnknown,
    DatasetVersionPending,
    DatasetVersionPurgedAlready,
    DatasetWrittenByRunsOnly,
)
from domain.dataset.events import (
    DatasetCreated,
    DatasetVersionCompacted,
    DatasetVersionPurged,
    DatasetVersionRejected,
    DatasetVersionVerified,
    DatasetVersionWritten,
    LocatedFile,
    Producer,
)
from domain.model_instance.commands import ArchiveInstance
from domain.model_instance.errors import InstanceExists
from domain.model_instance.events import InstanceCreated
from domain.point_in_time import PitBackdatedWrite, PitKnowledgeInFuture
from domain.run.commands import SubmitRun
from domain.shared.errors import ReasonMissing
from tests.support.desk import PRICES, Desk, command_id, created, predictions, prices
from tests.support.valid import NOW, content_facts, declaration, digest

DAY = timedelta(days=1)


def source(name: str = "us-prices", **changes: Any) -> CreateDataset:
    return CreateDataset(name=name, declaration=declaration(**changes))


def announced(parent: int | None = None, **changes: Any) -> RegisterDatasetVersion:
    valid: dict[str, Any] = {
        "dataset": "us-prices",
        "files": (LocatedFile(location="lake", key="a.parquet", sha256=digest("a"), rows=1),),
        "parent": parent,
        "knowledge_first": NOW,
        "knowledge_last": NOW,
        "producer": Producer(service="lake", run=None),
    }
    return RegisterDatasetVersion(**{**valid, **changes})


def verify(number: int = 1) -> VerifyDatasetVersion:
    files = (DataFile(sha256=digest("a"), rows=1, size_bytes=10),)
    return VerifyDatasetVersion(dataset="us-prices", number=number, files=files, facts=content_facts())


def reject(number: int = 1) -> RejectDatasetVersion:
    return RejectDatasetVersion(dataset="us-prices", number=number, code="dataset.hash_mismatch", detail="no")


def last_written(desk: Desk) -> DatasetVersionWritten:
    (event,) = desk.last()
    assert isinstance(event, DatasetVersionWritten)
    return event


def test_a_dataset_keeps_its_name_for_ever(desk: Desk) -> None:
    desk.send(source())
    desk.refused(DatasetExists, source())
    desk.refused(DatasetExists, source(description="another"))


def test_a_dataset_has_a_known_calendar_and_columns_of_its_own(desk: Desk) -> None:
    desk.refused(DatasetDeclarationInvalid, source(calendar="MARS"))
    reserved = CreateDataset(name="us-prices", declaration=declaration("entity"))
    desk.refused(DatasetDeclarationInvalid, reserved)
    assert desk.send(source(calendar="XNYS")).kind == "accepted"


def test_an_instance_and_its_predictions_are_created_in_one_append(desk: Desk) -> None:
    desk.ready()
    instance, dataset = desk.of_last_command()
    assert isinstance(instance, InstanceCreated)
    assert isinstance(dataset, DatasetCreated)
    assert (dataset.name, dataset.kind, dataset.instance) == (
        "spx-alpha-predictions",
        "prediction",
        "spx-alpha",
    )
    names = [(column.name, column.type) for column in dataset.declaration.columns]
    assert names == [("signal", "float64"), ("trained_as_of", "timestamp"), ("model_version", "int64")]


def test_an_instances_name_and_its_output_datasets_name_must_both_be_free(desk: Desk) -> None:
    desk.ready()
    desk.refused(InstanceExists, created())
    desk.refused(DatasetExists, created("other", output_dataset="us-prices"))
    desk.refused(DatasetExists, created("other", output_dataset="spx-alpha-predictions"))
    desk.send(ArchiveInstance(name="spx-alpha"))
    desk.refused(InstanceExists, created())
    desk.send(created("other", output_dataset="named"))
    assert desk.instance_state("other").output_dataset == "named"


def test_nobody_but_its_runs_writes_a_prediction_dataset(desk: Desk) -> None:
    desk.ready()
    rows = desk.blob(predictions(NOW))
    upload = WriteDatasetVersion(dataset="spx-alpha-predictions", blob_sha256=rows)
    desk.refused(DatasetWrittenByRunsOnly, upload)
    desk.refused(DatasetWrittenByRunsOnly, announced(dataset="spx-alpha-predictions"))


def test_each_upload_makes_the_next_version_of_its_rows(desk: Desk) -> None:
    desk.dataset()
    desk.upload(prices(1, first=5))
    written = last_written(desk)
    assert (written.number, written.parent, written.run_id, written.backfill) == (2, 1, None, False)
    assert (written.facts.rows, written.facts.total_rows) == (1, 3)


def test_rows_that_are_there_already_make_no_version_and_no_event(desk: Desk) -> None:
    desk.dataset()
    head = desk.log.head()
    assert desk.upload(prices(2)).kind == "unchanged"
    assert desk.log.head() == head


def test_only_the_new_rows_of_an_upload_are_kept(desk: Desk) -> None:
    desk.dataset()
    desk.upload(prices(3))
    assert last_written(desk).facts.rows == 1


def test_an_upload_repeated_with_its_key_is_one_version(desk: Desk) -> None:
    desk.dataset()
    upload = WriteDatasetVersion(dataset="us-prices", blob_sha256=desk.blob(prices(1, first=5)))
    first = desk.send(upload, command_id=command_id(1))
    again = desk.send(upload, command_id=command_id(1))
    assert (again.position, again.repeated) == (first.position, True)


def test_two_rows_of_one_upload_with_one_key_are_refused(desk: Desk) -> None:
    desk.dataset()
    twice = pl.concat([prices(1, first=5), prices(1, close=7.0, first=5)])
    blob = desk.blob(twice)
    desk.refused(DatasetRowDuplicated, WriteDatasetVersion(dataset="us-prices", blob_sha256=blob))


@pytest.mark.parametrize(("late", "accepted"), [(timedelta(minutes=5), True), (timedelta(minutes=6), False)])
def test_nothing_is_known_more_than_five_minutes_after_it_is_written(
    desk: Desk, late: timedelta, accepted: bool
) -> None:
    desk.dataset()
    rows = prices(1, first=12).with_columns(knowledge_date=pl.lit(NOW + late).cast(pl.Datetime("us", "UTC")))
    upload = WriteDatasetVersion(dataset="us-prices", blob_sha256=desk.blob(rows))
    if accepted:
        assert desk.send(upload).kind == "accepted"
    else:
        desk.refused(PitKnowledgeInFuture, upload)


def test_history_comes_in_as_a_backfill_only(desk: Desk) -> None:
    desk.dataset(days=5)
    blob = desk.blob(prices(1, close=7.0))
    desk.refused(PitBackdatedWrite, WriteDatasetVersion(dataset="us-prices", blob_sha256=blob))
    desk.send(WriteDatasetVersion(dataset="us-prices", blob_sha256=blob, backfill=True))
    assert last_written(desk).backfill


def test_an_upload_needs_its_dataset_and_its_bytes(desk: Desk) -> None:
    nothing = WriteDatasetVersion(dataset="us-prices", blob_sha256=digest("never stored"))
    desk.refused(DatasetUnknown, nothing)
    desk.send(source())
    desk.refused(ArtifactMissing, nothing)


def test_a_version_made_elsewhere_is_announced_then_verified_and_only_then_read(desk: Desk) -> None:
    desk.define()
    desk.send(source())
    desk.send(announced())
    desk.instance()
    desk.refused(DatasetEmpty, _training())
    desk.send(verify())
    assert isinstance(desk.last()[0], DatasetVersionVerified)
    assert desk.send(_training()).kind == "accepted"
    assert desk.send(verify()).kind == "unchanged"
    assert desk.send(reject()).kind == "unchanged"


def test_nothing_builds_on_a_version_that_waits_for_its_verification(desk: Desk) -> None:
    desk.send(source())
    desk.send(announced())
    desk.refused(DatasetVersionPending, announced())
    blob = desk.blob(prices(1))
    desk.refused(DatasetVersionPending, WriteDatasetVersion(dataset="us-prices", blob_sha256=blob))
    desk.send(reject())
    assert isinstance(desk.last()[0], DatasetVersionRejected)
    desk.upload(prices(1))
    assert (last_written(desk).number, last_written(desk).parent) == (2, None)


def test_a_version_made_elsewhere_builds_on_the_newest_one(desk: Desk) -> None:
    desk.dataset()
    desk.refused(DatasetParentStale, announced())
    assert desk.send(announced(parent=1)).kind == "accepted"
    desk.refused(DatasetUnknown, announced(dataset="nowhere"))
    desk.refused(DatasetUnknown, verify(7))


def test_a_compaction_keeps_the_rows(desk: Desk) -> None:
    desk.send(source())
    desk.refused(DatasetEmpty, CompactDataset(dataset="us-prices"))
    for n in range(3):
        desk.upload(prices(1, close=100.0 + n, first=n))
    before = last_written(desk)
    assert desk.send(CompactDataset(dataset="us-prices")).kind == "accepted"
    (compacted,) = desk.last()
    assert isinstance(compacted, DatasetVersionCompacted)
    assert (compacted.number, compacted.row_hash) == (3, before.facts.row_hash)
    assert len(compacted.files) == 1
    desk.upload(prices(1, first=5))
    assert last_written(desk).facts.total_rows == 4


def test_a_purge_needs_a_reason_and_happens_once(desk: Desk) -> None:
    desk.dataset()
    purge = PurgeDatasetVersion(dataset="us-prices", number=1)
    desk.refused(ReasonMissing, purge, reason=None)
    desk.refused(DatasetUnknown, PurgeDatasetVersion(dataset="us-prices", number=2))
    desk.send(purge)
    assert isinstance(desk.last()[0], DatasetVersionPurged)
    assert desk.send(purge).kind == "unchanged"
    desk.refused(DatasetVersionPurgedAlready, CompactDataset(dataset="us-prices"))


def test_the_default_inference_datasets_are_those_of_the_training(desk: Desk) -> None:
    desk.ready()
    specification = desk.instance_state().specification
    assert specification is not None
    assert specification.inference_datasets == PRICES


def _training() -> Any:
    return SubmitRun(instance="spx-alpha", kind="training")
