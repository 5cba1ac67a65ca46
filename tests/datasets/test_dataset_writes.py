"""What the store takes, drops and refuses."""

from contextlib import suppress
from datetime import timedelta
from io import BytesIO

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.errors import (
    DatasetColumnDuplicated,
    DatasetColumnMissing,
    DatasetColumnTypeWrong,
    DatasetColumnUnknown,
    DatasetContentMalformed,
    DatasetDateOutOfRange,
    DatasetKeyNull,
    DatasetMediaTypeUnsupported,
    DatasetOpUnknown,
    DatasetRowDuplicated,
    DatasetTombstoneWithValues,
    DatasetTooLarge,
    DatasetUploadEmpty,
    DatasetValueNotFinite,
)
from domain.dataset.declaration import Column, Declaration
from domain.point_in_time import (
    PitBackdatedWrite,
    PitKnowledgeBeforeDate,
    PitKnowledgeInFuture,
    PitNaiveTimestamp,
)
from domain.shared.errors import RuleBroken
from infrastructure.datasets import intake
from infrastructure.datasets.intake import ARROW_FILE, ARROW_STREAM, CSV, PARQUET
from tests.datasets.written_dataset import VALUE, WRITTEN_AT, WrittenDataset, frame, moment

ROW = ("A", "2024-01-02", "2024-01-02 21:00", 1.0)
LATER = ("A", "2024-01-03", "2024-01-03 21:00", 2.0)
EVERY_TYPE = Declaration(
    columns=tuple(
        Column(name=f"c_{kind}", type=kind)
        for kind in ("float64", "float32", "int64", "int32", "string", "bool", "date", "timestamp")
    )
)


@pytest.fixture
def dataset(tmp_path):
    return WrittenDataset(tmp_path)


def objects(dataset):
    return sorted(path for path in (dataset.folder / "store").rglob("*") if path.is_file())


def arrow(rows: pl.DataFrame, media_type: str) -> bytes:
    table, sink = rows.to_arrow(), BytesIO()
    open_writer = pa.ipc.new_file if media_type == ARROW_FILE else pa.ipc.new_stream
    with open_writer(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


# --- forms ---


def test_parquet_arrow_and_csv_give_the_same_rows(tmp_path):
    rows = frame([ROW, LATER])
    csv = (
        b"value,knowledge_date,date,entity\n"
        b"1.0,2024-01-02T21:00:00Z,2024-01-02,A\n"
        b"2,2024-01-03 16:00:00-05:00,2024-01-03,A\n"
    )
    hashes = set()
    for number, (content, media_type) in enumerate(
        [
            (rows, PARQUET),
            (arrow(rows, ARROW_FILE), ARROW_FILE),
            (arrow(rows, ARROW_STREAM), ARROW_STREAM),
            (csv, f"{CSV}; charset=utf-8"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        dataset = WrittenDataset(folder)
        dataset.upload(content, media_type)
        hashes.add(dataset.facts.row_hash)
    assert len(hashes) == 1


def test_every_column_type_comes_back_from_csv(tmp_path):
    dataset = WrittenDataset(tmp_path, EVERY_TYPE)
    names = ",".join(column.name for column in EVERY_TYPE.columns)
    dataset.upload(
        f"entity,date,knowledge_date,{names}\n"
        "A,2024-01-02,2024-01-02T21:00:00.000001Z,1.5,0.25,-7,7,é,true,2024-01-31,2024-02-01T10:00:00+01:00\n"
        ",2024-01-02,2024-01-02T21:00:00Z,,,,,,,,\n".encode(),
        CSV,
    )
    rows = dataset.read(None)
    assert rows["entity"].to_list() == ["", "A"]
    assert rows.row(0)[3:] == (None,) * 8
    assert rows.row(1)[2].microsecond == 1
    assert rows.row(1)[3:9] == (1.5, 0.25, -7, 7, "é", True)
    assert rows.row(1)[10] == moment("2024-02-01 09:00")


def test_lossless_widening_is_done_and_categories_are_text(tmp_path):
    declaration = Declaration(columns=(Column(name="n", type="int64"), Column(name="x", type="float64")))
    dataset = WrittenDataset(tmp_path, declaration)
    rows = frame([("A", "2024-01-02", "2024-01-02 21:00", 1, 2.0)], declaration)
    dataset.upload(
        rows.with_columns(
            pl.col("n").cast(pl.Int16), pl.col("x").cast(pl.Float32), pl.col("entity").cast(pl.Categorical)
        )
    )
    assert dataset.read(None).row(0)[3:] == (1, 2.0)


@pytest.mark.parametrize("media_type", [PARQUET, ARROW_FILE, ARROW_STREAM])
def test_bytes_of_another_form_are_refused(dataset, media_type):
    for content in (b"", b"PAR1", b"entity,date\n", b"\xff" * 64):
        with pytest.raises(DatasetContentMalformed):
            dataset.upload(content, media_type)


def test_csv_that_is_no_table_is_refused(dataset):
    for content in (b"", b"\xff\xfe\x00", b"entity,date,knowledge_date,value\na,b,c,d,e,f\n"):
        with pytest.raises((DatasetContentMalformed, DatasetColumnMissing)):
            dataset.upload(content, CSV)


def test_an_unknown_media_type_is_refused(dataset):
    with pytest.raises(DatasetMediaTypeUnsupported, match="json"):
        dataset.upload(b"{}", "application/json")


# --- columns ---


def test_columns_are_checked_by_name(dataset):
    rows = frame([ROW])
    with pytest.raises(DatasetColumnMissing, match="value"):
        dataset.upload(rows.drop("value"))
    with pytest.raises(DatasetColumnMissing, match="entity"):
        dataset.upload(rows.drop("entity"))
    for name in ("extra", "seq"):
        with pytest.raises(DatasetColumnUnknown, match=name):
            dataset.upload(rows.with_columns(pl.lit(1).alias(name)))
    with pytest.raises(DatasetColumnDuplicated, match="value"):
        dataset.upload(b"entity,date,knowledge_date,value,value\n", CSV)


def test_columns_are_checked_by_type(dataset):
    rows = frame([ROW])
    for change in (
        pl.col("value").cast(pl.String),
        pl.col("value").cast(pl.Int64),  # not every int64 is a float64
        pl.col("date").cast(pl.Datetime("us")),
        pl.col("knowledge_date").dt.date(),
        pl.lit(1).alias("entity"),
    ):
        with pytest.raises(DatasetColumnTypeWrong):
            dataset.upload(rows.with_columns(change))


def test_nanoseconds_are_refused_where_they_would_be_lost(dataset):
    rows = frame([ROW]).with_columns(pl.col("knowledge_date").cast(pl.Datetime("ns", "UTC")))
    with pytest.raises(DatasetColumnTypeWrong, match="whole microseconds"):
        dataset.upload(rows.with_columns(pl.col("knowledge_date") + pl.duration(nanoseconds=1)))
    assert dataset.upload(rows) is not None


@pytest.mark.parametrize(
    "line, error, word",
    [
        ("A,2024-01-02,2024-01-02T21:00:00,1", PitNaiveTimestamp, "row 1"),
        ("A,2024-01-02,2024-01-02,1", PitNaiveTimestamp, "row 1"),
        ("A,2024-01-02,21:00Z,1", DatasetColumnTypeWrong, "knowledge_date"),
        ("A,02.01.2024,2024-01-02T21:00:00Z,1", DatasetColumnTypeWrong, "02.01.2024"),
        ("A,2024-02-30,2024-01-02T21:00:00Z,1", DatasetColumnTypeWrong, "2024-02-30"),
        ("A,2024-01-02,2024-01-02T21:00:00Z,one", DatasetColumnTypeWrong, "one"),
        ("A,2024-01-02,2024-01-02T21:00:00Z,nan", DatasetValueNotFinite, "2024-01-02/A"),
        ("A,,2024-01-02T21:00:00Z,1", DatasetKeyNull, "date"),
    ],
)
def test_a_bad_csv_field_is_named(dataset, line, error, word):
    with pytest.raises(error, match=word):
        dataset.upload(f"entity,date,knowledge_date,value\n{line}\n".encode(), CSV)


# --- rows ---


def test_the_order_of_an_upload_does_not_matter(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = WrittenDataset(tmp_path / "one"), WrittenDataset(tmp_path / "other")
    one.write([ROW, LATER])
    other.write([LATER, ROW])
    assert one.facts == other.facts


def test_two_rows_with_one_key_and_knowledge_date_are_refused(dataset):
    with pytest.raises(DatasetRowDuplicated, match="2024-01-02/A"):
        dataset.write([ROW, (*ROW[:3], 2.0)])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_refused_and_null_is_a_value(dataset, value):
    with pytest.raises(DatasetValueNotFinite, match=r"value is .* for 2024-01-03/A"):
        dataset.write([ROW, (*LATER[:3], value)])
    dataset.write([(*ROW[:3], None)])
    assert dataset.values(None) == [("01-02", None)]


def test_op_is_u_or_d_and_a_tombstone_has_no_values(dataset):
    with pytest.raises(DatasetOpUnknown, match="X"):
        dataset.write([(*ROW[:3], "X", 1.0)])
    with pytest.raises(DatasetTombstoneWithValues, match="2024-01-02/A"):
        dataset.write([(*ROW[:3], "D", 1.0)])


def test_a_null_key_is_refused(dataset):
    for name in ("entity", "date", "knowledge_date"):
        with pytest.raises(DatasetKeyNull, match=name):
            dataset.upload(frame([ROW]).with_columns(pl.lit(None).alias(name)))


def test_the_first_version_needs_a_row(dataset):
    with pytest.raises(DatasetUploadEmpty):
        dataset.write(frame([]))
    dataset.write([ROW])
    assert dataset.write(frame([])) is None


# --- two clocks ---


def test_knowledge_of_the_future_is_refused_beyond_five_minutes(dataset):
    at = moment("2024-01-02 21:00")
    with pytest.raises(PitKnowledgeInFuture, match="2024-01-02/A"):
        dataset.write([ROW], written_at=at - timedelta(minutes=5, microseconds=1))
    assert dataset.write([ROW], written_at=at - timedelta(minutes=5)) is not None


def test_backdated_rows_need_the_mark_backfill(dataset):
    dataset.write([LATER])
    with pytest.raises(PitBackdatedWrite, match="2024-01-02/A"):
        dataset.write([ROW])
    same_moment = ("B", "2024-01-03", "2024-01-03 21:00", 1.0)
    assert dataset.write([same_moment]).backfill is False
    assert dataset.write([ROW], backfill=True).backfill is True


def test_a_run_leaves_it_to_the_store_whether_it_backfills(dataset):
    assert dataset.write([LATER], backfill=None).backfill is False
    assert dataset.write([ROW], backfill=None).backfill is True
    assert dataset.facts.knowledge_last == moment("2024-01-03 21:00")
    assert dataset.facts.knowledge_first == moment("2024-01-02 21:00")


def test_repeated_history_with_new_rows_is_not_backdated(dataset):
    dataset.write([ROW])
    prepared = dataset.write([ROW, LATER])
    assert prepared is not None
    assert prepared.facts.rows == 1


def test_forecasts_need_a_declaration(tmp_path):
    survey = [("", "2016-06-30", "2016-06-29 12:30", 1.0)]
    for name, declaration, is_taken in (
        ("strict", VALUE, False),
        ("early", Declaration(columns=VALUE.columns, early_days=1), True),
        ("forward", Declaration(columns=VALUE.columns, forward_looking=True), True),
    ):
        (tmp_path / name).mkdir()
        dataset = WrittenDataset(tmp_path / name, declaration)
        if is_taken:
            assert dataset.write(survey) is not None
        else:
            with pytest.raises(PitKnowledgeBeforeDate, match="2016-06-30"):
                dataset.write(survey)


def test_a_date_begins_in_the_calendars_zone(tmp_path):
    tokyo = WrittenDataset(tmp_path, Declaration(columns=VALUE.columns, calendar="XTKS"))
    assert tokyo.write([("", "2024-01-10", "2024-01-09 15:00", 1.0)]) is not None  # midnight in Tokyo
    with pytest.raises(PitKnowledgeBeforeDate):
        tokyo.write([("", "2024-01-10", "2024-01-09 14:59:59", 2.0)], backfill=True)


# --- versions ---


def test_rows_equal_to_stored_ones_are_dropped(dataset):
    dataset.write([ROW, LATER])
    assert dataset.write([LATER, ROW]) is None
    prepared = dataset.write([(*LATER[:3], 3.0), ("B", *LATER[1:])])
    assert prepared.facts.rows == 2
    assert prepared.facts.superseding == 1


def test_a_value_can_be_taken_back_to_an_earlier_one(dataset):
    for value in (1.0, 2.0, 1.0):
        assert dataset.write([(*ROW[:3], value)]) is not None
    assert dataset.values(None) == [("01-02", 1.0)]
    assert dataset.write([(*ROW[:3], 1.0)]) is None


def test_facts_count_the_version_and_the_whole(dataset):
    dataset.write([ROW, LATER])
    facts = dataset.write(
        [("B", "2024-01-01", "2024-01-04 21:00", 1.0), ("A", "2024-01-03", "2024-01-04 21:00", 5.0)]
    ).facts
    assert (facts.rows, facts.total_rows, facts.last_seq, facts.superseding) == (2, 4, 4, 1)
    coverage = facts.coverage
    assert (coverage.first_date, coverage.last_date) == ("2024-01-01", "2024-01-03")
    assert (coverage.entities, coverage.keys) == (2, 3)


def test_a_refused_upload_leaves_nothing_behind(dataset):
    dataset.write([LATER])
    before = objects(dataset)
    for rows, error in (
        ([ROW], PitBackdatedWrite),
        ([LATER, LATER], DatasetRowDuplicated),
        ([(*LATER[:3], float("nan"))], DatasetValueNotFinite),
    ):
        with pytest.raises(error):
            dataset.write(rows)
    assert objects(dataset) == before


def test_equal_rows_of_two_datasets_are_two_objects(dataset):
    dataset.write([ROW])
    other = dataset.store.prepare(
        VALUE,
        None,
        dataset.folder / "upload-0",
        PARQUET,
        written_at=WRITTEN_AT + timedelta(seconds=1),
        backfill=False,
    )
    assert other.facts.row_hash == dataset.facts.row_hash
    dataset.store.purge(other.files)
    assert dataset.values(None) == [("01-02", 1.0)]


@pytest.mark.parametrize("day", ["0001-01-01", "1799-12-31", "2201-01-01", "9999-12-31"])
def test_a_date_far_off_is_refused(tmp_path, day):
    dataset = WrittenDataset(tmp_path, Declaration(columns=VALUE.columns, forward_looking=True))
    with pytest.raises(DatasetDateOutOfRange, match=day):
        dataset.write([("A", day, "2024-01-02 21:00", 1.0)])
    with pytest.raises(DatasetDateOutOfRange, match="knowledge_date"):
        dataset.write([("A", "2024-01-02", f"{day} 21:00", 1.0)])


def test_dates_that_python_cannot_hold_are_refused(dataset):
    rows = frame([ROW]).with_columns(pl.lit(2**30).cast(pl.Int32).cast(pl.Date).alias("date"))
    with pytest.raises(DatasetDateOutOfRange):
        dataset.upload(rows)
    for far in (-(2**63) + 1, 2**62):
        rows = frame([ROW]).with_columns(pl.lit(far).cast(pl.Datetime("us", "UTC")).alias("knowledge_date"))
        with pytest.raises(DatasetDateOutOfRange):
            dataset.upload(rows)


def test_arrow_offsets_that_point_nowhere_are_refused(dataset):
    content = bytearray(arrow(frame([("ABCDEFGH", *ROW[1:])]), ARROW_STREAM))
    at = content.find(b"ABCDEFGH")
    assert at > 0
    offsets = bytes((0).to_bytes(8, "little") + (8).to_bytes(8, "little"))
    where = content.find(offsets)
    views = where < 0  # polars writes string views, whose length stands before the text
    if views:
        content[at - 4 : at] = (2**31 - 1).to_bytes(4, "little")
    else:
        content[where + 8 : where + 16] = (2**40).to_bytes(8, "little")
    with pytest.raises(DatasetContentMalformed):
        dataset.upload(bytes(content), ARROW_STREAM)


def test_a_file_of_absurdly_many_rows_is_refused_by_its_footer(dataset, monkeypatch):
    monkeypatch.setattr(intake, "MOST_ROWS", 1)
    with pytest.raises(DatasetTooLarge, match="2 rows"):
        dataset.write([ROW, LATER])


def test_a_csv_header_with_a_bare_carriage_return_is_refused(dataset):
    with pytest.raises(DatasetContentMalformed, match="text/csv"):
        dataset.upload(b"\rentity,date,knowledge_date,value\n", CSV)


@given(st.sampled_from([PARQUET, ARROW_FILE, ARROW_STREAM, CSV]), st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_uploads_are_refused_by_name(dataset, media_type, data):
    content = bytearray(whole_upload(media_type))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with suppress(RuleBroken):
        dataset.upload(bytes(content[:cut] if data.draw(st.booleans()) else content), media_type)


def whole_upload(media_type: str) -> bytes:
    rows = frame([ROW, LATER])
    if media_type in (ARROW_FILE, ARROW_STREAM):
        return arrow(rows, media_type)
    sink = BytesIO()
    if media_type == PARQUET:
        rows.write_parquet(sink)
    else:
        rows.write_csv(sink, datetime_format="%Y-%m-%dT%H:%M:%S%:z")
    return sink.getvalue()
