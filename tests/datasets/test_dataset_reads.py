"""Reads: narrowed, compacted, purged, located, verified."""

import hashlib

import msgspec
import polars as pl
import pytest

from application.errors import (
    DatasetColumnUnknown,
    DatasetFileMissing,
    DatasetHashMismatch,
    DatasetKeyForbidden,
    DatasetLocationUnknown,
    DatasetManifestMissing,
    DatasetPurged,
    DatasetRowsDiffer,
)
from domain.dataset.events import LocatedFile
from domain.point_in_time import PitBackdatedWrite, PitNaiveTimestamp
from tests.datasets.written_dataset import VALUE, WRITTEN_AT, WrittenDataset, day, frame, moment


@pytest.fixture
def dataset(tmp_path):
    written = WrittenDataset(tmp_path, rows_per_file=2)
    written.write([(e, f"2024-01-0{d}", f"2024-01-0{d} 21:00", d * 1.0) for e in "AB" for d in range(2, 7)])
    written.write(
        [("A", "2024-01-03", "2024-01-08 21:00", 30.0), ("B", "2024-01-04", "2024-01-08 21:00", "D", None)][
            :1
        ]
    )
    written.write([("B", "2024-01-04", "2024-01-08 21:00", "D", None)])
    return written


def test_a_read_gives_the_key_then_the_values_sorted_by_date_and_entity(dataset):
    rows = dataset.read("2024-01-09")
    assert rows.columns == ["entity", "date", "knowledge_date", "value"]
    assert rows.select("date", "entity").rows() == sorted(rows.select("date", "entity").rows())
    assert rows.height == 9
    assert rows.filter(pl.col("value") == 30.0).height == 1


def test_a_read_is_narrowed_by_date_entity_and_column(dataset):
    rows = dataset.read(
        "2024-01-09", first=day("2024-01-03"), last=day("2024-01-04"), entities=["A"], columns=[]
    )
    assert rows.columns == ["entity", "date", "knowledge_date"]
    assert rows["date"].to_list() == [day("2024-01-03"), day("2024-01-04")]
    assert dataset.read("2024-01-09", entities=[]).is_empty()
    with pytest.raises(DatasetColumnUnknown, match="nope"):
        dataset.read("2024-01-09", columns=["nope"])


def test_a_read_without_a_moment_gives_all_that_the_version_holds(dataset):
    assert dataset.read(None).equals(dataset.read("2029-01-01"))
    assert dataset.read(None, version=1).height == 10


def test_a_naive_moment_is_refused(dataset):
    with pytest.raises(PitNaiveTimestamp):
        dataset.store.read(dataset.facts.manifest_sha256, moment("2024-01-09").replace(tzinfo=None))


def test_revisions_tell_every_row_known_with_seq_and_op(dataset):
    rows = dataset.store.read_revisions(dataset.facts.manifest_sha256, moment("2024-01-09"))
    assert rows.columns == ["entity", "date", "knowledge_date", "seq", "op", "value"]
    assert rows.height == 12
    assert rows.filter(pl.col("op") == "D")["seq"].to_list() == [12]
    assert rows.equals(rows.sort("entity", "date", "knowledge_date", "seq"))


def test_an_unknown_manifest_is_not_found(dataset):
    for sha256 in ("0" * 64, "../../etc/passwd"):
        with pytest.raises(DatasetManifestMissing):
            dataset.store.read(sha256, None)


# --- compaction ---


def test_compaction_keeps_rows_reads_and_hash(dataset):
    files, row_hash, manifest = dataset.store.compact(dataset.facts.manifest_sha256)
    assert row_hash == dataset.facts.row_hash
    assert sum(file.rows for file in files) == dataset.facts.total_rows
    for as_of in ("2024-01-01", "2024-01-05", "2024-01-09"):
        assert dataset.store.read(manifest, moment(as_of)).equals(dataset.read(as_of))
    assert dataset.store.verify(manifest) == []


def test_a_version_extends_a_compacted_one(dataset):
    manifest = dataset.store.compact(dataset.facts.manifest_sha256)[2]
    plain = dataset.write([("C", "2024-01-09", "2024-01-09 21:00", 1.0)])
    dataset.versions[-1] = msgspec.structs.replace(dataset.versions[-2], manifest_sha256=manifest)
    after = dataset.write([("C", "2024-01-09", "2024-01-09 21:00", 1.0)])
    assert after.facts.row_hash == plain.facts.row_hash
    assert after.facts.total_rows == plain.facts.total_rows


def test_the_row_hash_sees_each_value_column_and_order_of_writes(tmp_path):
    rows = [("A", "2024-01-02", "2024-01-02 21:00", 1.0), ("B", "2024-01-02", "2024-01-02 21:00", None)]
    changes = [
        rows,
        [rows[0], (*rows[1][:3], 0.0)],
        [("AB", *rows[0][1:]), ("", *rows[1][1:])],
        [rows[0]],
        [rows[0], (*rows[1][:3], "D", None)],
        [rows[0], (*rows[1][:2], "2024-01-02 21:00:00.000001", None)],
    ]
    hashes = set()
    for number, change in enumerate(changes):
        folder = tmp_path / str(number)
        folder.mkdir()
        dataset = WrittenDataset(folder)
        filled = [(*row[:3], "U", row[3]) if len(row) == 4 else row for row in change]
        dataset.write(filled)
        hashes.add(dataset.facts.row_hash)
    assert len(hashes) == len(changes)


# --- purge and verify ---


def test_a_purged_version_says_so_and_earlier_ones_go_on(dataset):
    added = dataset.write([("C", "2024-01-09", "2024-01-09 21:00", 1.0)])
    dataset.store.purge(added.files)
    dataset.store.purge(added.files)
    with pytest.raises(DatasetPurged):
        dataset.read("2024-01-10")
    assert dataset.read("2024-01-10", version=3).height == 9
    assert dataset.read("2024-01-08", version=4).height == 10  # needs none of the purged bytes
    assert dataset.store.verify(dataset.versions[2].manifest_sha256) == []
    assert [problem.split(":")[0] for problem in dataset.store.verify(added.facts.manifest_sha256)] == [
        "dataset.purged"
    ]


def test_verification_names_what_is_missing_or_changed(dataset):
    objects = dataset.folder / "store" / "objects"
    first, second = dataset.store.compact(dataset.facts.manifest_sha256)[0][:2]
    manifest = dataset.store.compact(dataset.facts.manifest_sha256)[2]
    (objects / first.sha256[:2] / first.sha256[2:]).unlink()
    changed = objects / second.sha256[:2] / second.sha256[2:]
    changed.chmod(0o644)
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    problems = dataset.store.verify(manifest)
    assert [problem.split(":")[0] for problem in problems] == [
        "dataset.file_missing",
        "dataset.hash_mismatch",
    ]
    assert first.sha256 in problems[0]
    assert dataset.store.verify(dataset.facts.manifest_sha256) == []


# --- files made elsewhere ---


def located(dataset, content, key="in/rows.parquet", **changes) -> LocatedFile:
    path = dataset.folder / "drop" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    frame(content).write_parquet(path)
    file = LocatedFile(
        location="drop", key=key, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), rows=len(content)
    )
    return msgspec.structs.replace(file, **changes)


NEW = [("C", "2024-01-09", "2024-01-09 21:00", 1.0)]


def take_in(dataset, *files, backfill=False):
    return dataset.store.prepare_located(
        VALUE, dataset.newest, files, written_at=WRITTEN_AT, backfill=backfill
    )


def test_located_files_are_taken_in_like_one_upload(dataset):
    other = [("D", "2024-01-09", "2024-01-09 21:00", 2.0)]
    prepared = take_in(dataset, located(dataset, NEW), located(dataset, other, "more.parquet"))
    assert prepared.facts.rows == 2
    assert dataset.store.read(prepared.facts.manifest_sha256, None).height == 11


def test_located_rows_that_are_there_already_add_nothing(dataset):
    old = [("A", "2024-01-02", "2024-01-02 21:00", 2.0)]
    prepared = take_in(dataset, located(dataset, old))
    assert prepared.files == ()
    assert prepared.facts.rows == 0
    assert prepared.facts.manifest_sha256 == dataset.facts.manifest_sha256


def test_located_files_obey_the_rules_of_uploads(dataset):
    with pytest.raises(PitBackdatedWrite):
        take_in(dataset, located(dataset, [("C", "2024-01-02", "2024-01-02 21:00", 1.0)]))


def test_located_bytes_must_be_the_announced_ones(dataset):
    with pytest.raises(DatasetHashMismatch):
        take_in(dataset, located(dataset, NEW, sha256="0" * 64))
    with pytest.raises(DatasetRowsDiffer, match="announced were 2"):
        take_in(dataset, located(dataset, NEW, rows=2))


@pytest.mark.parametrize(
    "key", ["../secret", "/etc/passwd", "in/../../x", "C:\\x", "a\\b", "", "in//x", "./x", "x\0y"]
)
def test_a_key_never_leaves_its_location(dataset, key):
    with pytest.raises(DatasetKeyForbidden):
        take_in(dataset, LocatedFile(location="drop", key=key, sha256="0" * 64, rows=1))


def test_a_link_never_leads_out_of_a_location(dataset):
    located(dataset, NEW)
    outside = dataset.folder / "outside.parquet"
    frame(NEW).write_parquet(outside)
    (dataset.folder / "drop" / "link.parquet").symlink_to(outside)
    with pytest.raises(DatasetKeyForbidden, match="leads out"):
        take_in(dataset, LocatedFile(location="drop", key="link.parquet", sha256="0" * 64, rows=1))


def test_locations_and_files_must_exist(dataset):
    with pytest.raises(DatasetLocationUnknown, match="drop"):
        take_in(dataset, located(dataset, NEW, location="elsewhere"))
    with pytest.raises(DatasetFileMissing):
        take_in(dataset, LocatedFile(location="drop", key="none.parquet", sha256="0" * 64, rows=1))
