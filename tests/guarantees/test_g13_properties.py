"""G13: the seven properties of point in time; DuckDB and SQLite are the oracles, each written on its own."""

import sqlite3
import tempfile
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.dataset.declaration import Declaration
from infrastructure.datasets.as_of import collapsed
from infrastructure.datasets.manifest import decode
from optaic.mlops.as_of_join import as_of_join, as_of_view
from optaic.mlops.point_in_time import embargoed, label_end, purged, sessions_table, walk_forward_blocks
from tests.datasets.written_dataset import VALUE, WrittenDataset

FORECASTS = Declaration(columns=VALUE.columns, forward_looking=True)
DAYS = [date(2024, 1, 2) + timedelta(days=index) for index in range(5)]
MOMENTS = [datetime(2024, 1, 2, 21, tzinfo=UTC) + timedelta(hours=13 * index) for index in range(8)]
SCHEMA = {
    "entity": pl.String(),
    "date": pl.Date(),
    "knowledge_date": pl.Datetime("us", "UTC"),
    "op": pl.String(),
    "value": pl.Float64(),
}
FAST = settings(max_examples=20, deadline=None)

values = st.one_of(st.none(), st.sampled_from([0.0, 1.5, -2.0]))
upserts = st.tuples(st.just("U"), values)
rows = st.tuples(
    st.sampled_from(["", "A", "É"]),
    st.sampled_from(DAYS),
    st.sampled_from(MOMENTS),
    st.one_of(upserts, upserts, st.just(("D", None))),
).map(lambda row: (*row[:3], *row[3]))
writes = st.lists(
    st.lists(rows, min_size=1, max_size=8, unique_by=lambda row: row[:3]), min_size=1, max_size=4
)
as_ofs = st.sampled_from([MOMENTS[0] - timedelta(microseconds=1), *MOMENTS])


def frame(some) -> pl.DataFrame:
    return pl.DataFrame(some, schema=SCHEMA, orient="row")


def written(folder: str, parts) -> WrittenDataset:
    dataset = WrittenDataset(Path(folder), FORECASTS, rows_per_file=3)
    for part in parts:
        dataset.write(frame(part), backfill=True)
    return dataset


def plain(read: pl.DataFrame) -> list[tuple]:
    return [(e, d.isoformat(), k.timestamp(), v) for e, d, k, v in read.iter_rows()]


def paths(dataset: WrittenDataset) -> list[Path]:
    objects = dataset.folder / "store" / "objects"
    sha256 = dataset.facts.manifest_sha256
    manifest = decode((objects / sha256[:2] / sha256[2:]).read_bytes())
    return [objects / entry.sha256[:2] / entry.sha256[2:] for entry in manifest.files]


def duckdb_read(dataset: WrittenDataset, as_of: datetime) -> list[tuple]:
    found = duckdb_connection().execute(
        """
        SELECT entity, date::VARCHAR, epoch_us(knowledge_date), value
        FROM read_parquet($files) WHERE knowledge_date <= $as_of
        QUALIFY row_number() OVER (PARTITION BY entity, date ORDER BY knowledge_date DESC, seq DESC) = 1
            AND op <> 'D'
        ORDER BY date, entity
        """,
        {"files": [str(path) for path in paths(dataset)], "as_of": as_of},
    )
    return [(e, d, k / 1e6, v) for e, d, k, v in found.fetchall()]


@cache
def duckdb_connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def sqlite_read(stored: pl.DataFrame, as_of: datetime) -> list[tuple]:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE stored (entity, day, known, seq, op, value)")
    connection.executemany(
        "INSERT INTO stored VALUES (?, ?, ?, ?, ?, ?)",
        [(e, d.isoformat(), k.timestamp(), s, o, v) for e, d, k, s, o, v in stored.iter_rows()],
    )
    found = connection.execute(
        """
        SELECT entity, day, known, value FROM stored AS a
        WHERE known <= ? AND op = 'U' AND NOT EXISTS (
            SELECT 1 FROM stored AS b WHERE b.entity = a.entity AND b.day = a.day AND b.known <= ?
                AND (b.known > a.known OR (b.known = a.known AND b.seq > a.seq)))
        ORDER BY day, entity
        """,
        (as_of.timestamp(), as_of.timestamp()),
    ).fetchall()
    connection.close()
    return found


def stored_rows(dataset: WrittenDataset) -> pl.DataFrame:
    return dataset.store.read_revisions(dataset.facts.manifest_sha256, datetime(2100, 1, 1, tzinfo=UTC))


@given(writes, as_ofs)
@FAST
def test_polars_duckdb_and_sqlite_read_the_same(parts, as_of):
    with tempfile.TemporaryDirectory() as folder:
        dataset = written(folder, parts)
        ours = plain(dataset.read(as_of))
        assert ours == duckdb_read(dataset, as_of)
        assert ours == sqlite_read(stored_rows(dataset), as_of)
        compacted = dataset.store.compact(dataset.facts.manifest_sha256)[2]
        assert ours == plain(dataset.store.read(compacted, as_of))


@given(writes, as_ofs, st.sampled_from(DAYS), st.sampled_from(["", "A", "É"]))
@FAST
def test_narrowing_a_read_is_filtering_its_result(parts, as_of, first, entity):
    with tempfile.TemporaryDirectory() as folder:
        dataset = written(folder, parts)
        whole = dataset.read(as_of)
        narrow = dataset.read(as_of, first=first, last=DAYS[-2], entities=[entity])
        expected = whole.filter(pl.col("date").is_between(first, DAYS[-2]), pl.col("entity") == entity)
        assert plain(narrow) == plain(expected)


@given(writes, as_ofs)
@FAST
def test_rows_known_later_never_change_a_read(parts, as_of):
    known = [[row for row in part if row[2] <= as_of] for part in parts]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        truncated = written(other, [part for part in known if part])
        expected = plain(truncated.read(as_of)) if truncated.versions else []
        assert plain(written(one, parts).read(as_of)) == expected


@given(writes, as_ofs, as_ofs)
@FAST
def test_what_was_known_stays_known_or_is_superseded(parts, one, other):
    earlier, later = sorted((one, other))
    with tempfile.TemporaryDirectory() as folder:
        dataset = written(folder, parts)
        then = {row[:2]: row for row in plain(dataset.read(earlier))}
        now = {row[:2]: row for row in plain(dataset.read(later))}
        revisions = stored_rows(dataset).filter(
            pl.col("knowledge_date").is_between(earlier, later, closed="right")
        )
        superseded = {(e, d.isoformat()) for e, d in revisions.select("entity", "date").iter_rows()}
        assert all(now.get(key) == row for key, row in then.items() if key not in superseded)


@given(writes, as_ofs, st.randoms(use_true_random=False))
@FAST
def test_the_order_of_rows_says_nothing(parts, as_of, random):
    shuffled = [random.sample(part, len(part)) for part in parts]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        dataset, permuted = written(one, parts), written(other, shuffled)
        assert [facts.row_hash for facts in dataset.versions] == [
            facts.row_hash for facts in permuted.versions
        ]
        rows = stored_rows(dataset).filter(pl.col("knowledge_date") <= as_of)
        moved = rows.sample(fraction=1.0, shuffle=True, seed=random.randint(0, 99))
        assert collapsed(moved).equals(collapsed(rows))


@given(writes)
@FAST
def test_writing_the_same_rows_again_adds_no_version(parts):
    with tempfile.TemporaryDirectory() as folder:
        dataset = written(folder, parts)
        facts = dataset.facts
        assert dataset.write(frame(parts[-1]), backfill=True) is None
        assert dataset.facts == facts
        assert facts.total_rows == stored_rows(dataset).height == facts.last_seq
        assert facts.coverage.keys == stored_rows(dataset).select("entity", "date").n_unique()
        assert facts.coverage.entities == stored_rows(dataset)["entity"].n_unique()
        assert dataset.store.verify(facts.manifest_sha256) == []


SESSIONS = sessions_table(
    [
        (date(2024, 1, 1) + timedelta(days=i), datetime(2024, 1, 1, 21, tzinfo=UTC) + timedelta(days=i))
        for i in range(80)
    ]
)


@given(st.integers(0, 10), st.integers(1, 60), st.integers(0, 15), st.integers(0, 12))
@settings(max_examples=100, deadline=None)
def test_no_training_label_meets_the_test_block(horizon, start, length, embargo):
    days = SESSIONS["session"]
    first, last = days[start], days[min(start + length, 79)]
    kept = days.filter(
        ~purged(days, horizon, SESSIONS, first, last) & ~embargoed(days, horizon, embargo, SESSIONS, last)
    )
    ends = label_end(kept, horizon, SESSIONS)
    for day, end in zip(kept, ends, strict=True):
        assert day > last or end < first
        assert day <= last or (day - last).days > max(horizon, embargo)


@given(
    st.integers(0, 6),
    st.integers(1, 40),
    st.integers(1, 9),
    st.integers(1, 5),
    st.none() | st.integers(1, 30),
)
@settings(max_examples=100, deadline=None)
def test_walk_forward_trains_on_labels_known_before_the_block(horizon, first, refit, every, window):
    decisions = SESSIONS["session"].to_list()[::every]
    blocks = walk_forward_blocks(
        decisions, horizon, SESSIONS, first_test=first, refit_every=refit, window=window
    )
    assert [day for block in blocks for day in block.test] == decisions[first:]
    for block in blocks:
        ends = label_end(block.train, horizon, SESSIONS)
        assert all(end < block.test[0] for end in ends)
        assert block.trained_as_of < datetime.combine(block.test[0], datetime.min.time(), UTC) + timedelta(
            hours=21
        )
        if window is not None:
            assert all((block.first - day).days <= window for day in block.train)


@given(
    writes,
    st.lists(st.tuples(st.sampled_from(["", "A"]), st.sampled_from(DAYS), as_ofs), max_size=6),
    st.integers(0, 2),
)
@FAST
def test_joined_rows_were_known_at_each_decision(parts, decisions, lag):
    numbered = [(*row[:3], seq, *row[3:]) for seq, row in enumerate(row for part in parts for row in part)]
    revisions = pl.DataFrame(
        numbered,
        schema={k: v for n in ("entity", "date", "knowledge_date") for k, v in {n: SCHEMA[n]}.items()}
        | {"seq": pl.Int64(), "op": pl.String(), "value": pl.Float64()},
        orient="row",
    )
    asked = pl.DataFrame(
        decisions,
        schema={"entity": pl.String(), "date": pl.Date(), "decision_time": pl.Datetime("us", "UTC")},
        orient="row",
    )
    joined = as_of_join(asked, revisions, SESSIONS, lag=lag)
    assert joined.height == len(decisions)
    for entity, day, at, row_date, known, value in joined.iter_rows():
        visible = as_of_view(revisions, at).filter(
            pl.col("entity") == entity, pl.col("date") <= day - timedelta(days=lag)
        )
        if visible.is_empty():
            assert (row_date, known, value) == (None, None, None)
        else:
            assert (row_date, known, value) == visible.select("date", "knowledge_date", "value").row(-1)
            assert known <= at
