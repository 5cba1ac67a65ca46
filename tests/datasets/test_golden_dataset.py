"""A dataset in form 1, as it was stored on the first day, opens for ever and its row hash never drifts."""

import hashlib
import shutil
import struct
from pathlib import Path

import msgspec
import polars as pl
import pytest

from domain.dataset.events import ContentFacts
from infrastructure.datasets.store import FolderDatasetStore
from tests.datasets.written_dataset import day, moment

GOLDEN = Path(__file__).parent / "golden" / "form1"
VERSIONS = msgspec.json.decode((GOLDEN / "versions.json").read_bytes(), type=list[ContentFacts])


@pytest.fixture
def store(tmp_path):
    for path in GOLDEN.iterdir():
        if len(path.name) == 64:
            place = tmp_path / "objects" / path.name[:2] / path.name[2:]
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    return FolderDatasetStore(tmp_path, zone_of=lambda _: pytest.fail("no calendar here"))


def test_every_type_of_form_1_is_read(store):
    rows = store.read(VERSIONS[0].manifest_sha256, None)
    assert rows.row(0)[3:] == (None,) * 8
    assert rows.row(1)[:3] == ("A", day("2024-01-02"), moment("2024-01-02 21:00"))
    assert rows.row(1)[3:10] == (1.5, 0.25, -7, 7, "é", True, day("2024-01-31"))
    assert rows.row(1)[10] == moment("2024-02-01 09:00")


def test_revisions_and_tombstones_of_form_1_hold(store):
    manifest = VERSIONS[1].manifest_sha256
    assert store.read(manifest, moment("2024-01-03 20:59")).height == 2
    assert store.read(manifest, None).select("entity", "c_float64").rows() == [("", -2.5)]
    assert store.read_revisions(manifest, moment("2030-01-01"))["op"].to_list() == ["U", "U", "U", "D"]


def test_the_row_hash_of_form_1_is_still_what_it_was(store):
    for facts in VERSIONS:
        assert store.verify(facts.manifest_sha256) == []
        assert store.compact(facts.manifest_sha256)[1] == facts.row_hash


def test_a_chain_of_hashes_can_be_worked_out_without_our_code(store):
    """The algorithm of the documentation, written again with the standard library only."""

    rows = store.read_revisions(VERSIONS[1].manifest_sha256, moment("2030-01-01")).sort("seq")
    chained = bytes(32)
    for part in (rows.head(2), rows.tail(2)):
        own = hashlib.sha256()
        for name in rows.columns:
            for piece in plain_pieces(part[name]):
                own.update(len(piece).to_bytes(8, "little") + piece)
        chained = hashlib.sha256(chained + own.digest()).digest()
    assert chained.hex() == VERSIONS[1].row_hash


NAMES = {"entity": "string", "knowledge_date": "timestamp", "seq": "int64", "op": "string"} | {
    name: name for name in ("float64", "float32", "int64", "int32", "string", "bool", "date", "timestamp")
}


def plain_pieces(column: pl.Series) -> list[bytes]:
    values = column.to_physical().to_list()
    pieces = [
        f"{column.name}:{NAMES[column.name.removeprefix('c_')]}".encode(),
        bytes(int(value is not None) for value in values),
    ]
    if column.dtype == pl.String():
        texts = [(value or "").encode() for value in values]
        return [*pieces, b"".join(len(text).to_bytes(4, "little") for text in texts), b"".join(texts)]
    form = {pl.Boolean: "?", pl.Float64: "d", pl.Float32: "f", pl.Int32: "i", pl.Date: "i"}.get(
        type(column.dtype), "q"
    )
    return [*pieces, b"".join(struct.pack(f"<{form}", value or 0) for value in values)]
