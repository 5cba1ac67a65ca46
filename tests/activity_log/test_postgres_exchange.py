"""Export, import and verification on PostgreSQL: the same bytes and the same verdicts as on SQLite."""

import io

import psycopg
import pytest

from infrastructure.activity_log import open_activity_log, open_postgres_log
from infrastructure.activity_log.errors import EventPayloadUnencodable, LogLineRefused, LogNotEmpty
from infrastructure.activity_log.postgres import STREAM_PAGE
from tests.activity_log.scenes import TickingClock, append_many, envelope, uid, write
from tests.activity_log.test_exchange_and_verify import TAMPER
from tests.support.log_database import installed
from tests.support.postgres import fresh_database


@pytest.fixture
def log(log_database):
    with open_postgres_log(log_database, TickingClock()) as opened:
        yield opened


@pytest.fixture
def empty(postgres_server):
    with (
        fresh_database(postgres_server) as another,
        open_postgres_log(installed(another), TickingClock()) as opened,
    ):
        yield opened


def exported(log):
    target = io.StringIO()
    log.export(target)
    return target.getvalue().splitlines()


def test_a_log_is_carried_from_one_database_to_the_other_and_back_byte_for_byte(log, empty, log_path):
    append_many(log, 5, 3)
    log.append(envelope("late", reason="because", causation_id=uid("cause")), [write("late")])
    with open_activity_log(log_path, TickingClock()) as file:
        assert file.import_from(exported(log)) == 16
        assert (file.log_hash(), file.rows(0, 100)) == (log.log_hash(), log.rows(0, 100))
        assert empty.import_from(exported(file)) == 16
    assert empty.rows(0, 100) == log.rows(0, 100)
    assert empty.log_hash() == log.log_hash() == log.verify().log_hash
    assert exported(empty) == exported(log)


def test_an_imported_log_goes_on_where_it_ends_and_knows_its_commands(log, empty):
    log.append(envelope("command"), [write(events=2)])
    empty.import_from(exported(log))
    assert empty.head() == 2
    assert empty.append(envelope("command"), [write(events=2)]).repeated
    assert empty.append(envelope(), [write(expected=2)]).position == 3
    assert empty.verify().ok


def test_a_log_of_many_pages_is_exported_and_imported_whole(log, empty):
    for index in range(0, STREAM_PAGE + 500, 250):
        log.append(envelope(), [write(expected=index, events=250)])
    assert empty.import_from(exported(log)) == log.head() > STREAM_PAGE
    assert empty.log_hash() == log.log_hash()


def test_only_an_empty_log_takes_an_import_and_a_bad_line_leaves_it_empty(log, empty):
    append_many(log, 3)
    lines = exported(log)
    with pytest.raises(LogNotEmpty):
        log.import_from(lines)
    with pytest.raises(LogLineRefused, match="line 3"):
        empty.import_from([*lines[:2], "{"])
    assert (empty.head(), empty.read(0, 10)) == (0, [])
    assert empty.import_from(lines) == 3


def test_a_snapshot_does_not_see_what_is_appended_meanwhile(log):
    append_many(log, 3)
    connections = log._reader.connections
    with connections.snapshot() as snapshot:
        rows = snapshot.stream("SELECT position FROM activity_log WHERE position > ? ORDER BY position", (1,))
        first = next(rows)
        log.append(envelope(), [write("later")])
        assert [first, *rows] == [(2,), (3,)]
        assert snapshot.rows("SELECT max(position) FROM activity_log") == [(3,)]
    assert log.head() == 4


@pytest.mark.parametrize(("statement", "position"), TAMPER)
def test_a_change_is_found_at_its_first_bad_position(log, database, statement, position):
    append_many(log, 5)
    with psycopg.connect(database) as vandal:
        vandal.execute("SET search_path = optaic_log")
        for table in ("activity_log", "log_head"):
            vandal.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")  # type: ignore[arg-type]
        vandal.execute(statement.replace("x'7b'", r"'\x7b'").replace("x'ff'", r"'\xff'"))
    verdict = log.verify()
    assert verdict.problem is not None
    assert verdict.problem.position == position


def test_old_outcomes_are_forgotten_and_events_are_not(log):
    log.refuse(envelope("refused"), "a.b", "no", {})
    log.append(envelope("events"), [write()])
    assert log._store.forget_outcomes(-1) == 1
    assert log.outcome("acme", uid("refused")) is None
    assert log.outcome("acme", uid("events")) is not None


def test_a_text_that_postgresql_cannot_keep_is_refused_by_name(log):
    with pytest.raises(EventPayloadUnencodable, match="NUL"):
        log.append(envelope(reason="a\0b"), [write()])


def test_events_about_one_type_are_read_by_themselves(log):
    append_many(log, 4)
    assert [event.position for event in log.read_of_type("ml_module_def", 1, 2)] == [2, 3]
    assert log.read_of_type("access", 0, 10) == []
    with pytest.raises(ValueError, match="no type"):
        log.read_of_type("access' OR '1", 0, 10)


def test_events_about_keys_are_found_by_an_index_of_their_own(log, log_database):
    with psycopg.connect(log_database) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            """EXPLAIN SELECT * FROM optaic_log.activity_log WHERE resource_type = 'access' AND position > 5
            ORDER BY position LIMIT 10"""
        ).fetchall()
    assert "activity_log_access" in str(plan)
