"""Several processes append to one PostgreSQL log: two log objects share nothing but the database."""

import threading
from datetime import timedelta

import psycopg
import pytest

from application.ports import StreamCheck, StreamWrite
from domain.shared.activity import StreamKey
from domain.shared.errors import CommandIdReused, StreamConflict
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.at_once import conditions_of
from infrastructure.activity_log.submission import submission_of_writes
from tests.activity_log.scenes import (
    START,
    TickingClock,
    append_many,
    definition,
    envelope,
    published,
    uid,
    write,
)


@pytest.fixture
def pair(log_database):
    with (
        open_postgres_log(log_database, TickingClock()) as one,
        open_postgres_log(log_database, TickingClock()) as two,
    ):
        yield one, two


def hold_head(database):
    """A transaction of somebody else that holds the head row."""
    connection = psycopg.connect(database)
    connection.execute("SET search_path = optaic_log")
    connection.execute("SELECT * FROM log_head FOR UPDATE")
    return connection


def waits_for_head(database):
    """Whether an append waits for the row that `hold_head` holds."""
    with psycopg.connect(database) as connection:
        found = connection.execute(
            """SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()"""
        ).fetchone()
    return found == (1,)


def started(action):
    """Run an action in a thread; returns the thread and where its result or error will be."""
    results = []

    def run():
        try:
            results.append(action())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def overtaken(database, append, statement, *parameters):
    """Let `append` wait for the head while somebody else commits a statement; returns what became of it."""
    from tests.support.processes import wait_until

    with hold_head(database) as other:
        thread, results = started(append)
        wait_until(lambda: waits_for_head(database), "the append does not wait")
        other.execute(statement, parameters)
        other.commit()
    thread.join()
    return results[0]


def test_positions_run_on_over_two_processes(pair):
    one, two = pair
    for index in range(6):
        (one, two)[index % 2].append(envelope(), [write(f"stream-{index}")])
    assert [event.position for event in one.read(0, 10)] == list(range(1, 7))
    assert one.read(0, 10) == two.read(0, 10)
    assert one.verify().ok


def test_a_stream_goes_on_where_the_other_process_left_it(pair):
    one, two = pair
    one.append(envelope(), [write(events=2)])
    assert two.append(envelope(), [write(expected=2)]).position == 3
    for stale in (0, 1, 2, 4):
        with pytest.raises(StreamConflict) as refused:
            one.append(envelope(), [write(expected=stale)])
        assert refused.value.facts["current"] == 3


def test_a_command_is_known_in_every_process(pair):
    one, two = pair
    first = one.append(envelope("events"), [write()])
    again = two.append(envelope("events"), [write()])
    assert (again.repeated, again.position) == (True, first.position)
    one.refuse(envelope("refused"), "a.b", "no", {})
    assert two.append(envelope("refused"), [write("other")]).code == "a.b"
    with pytest.raises(CommandIdReused):
        two.append(envelope("events", body=b"\x02" * 32), [write(expected=1)])
    assert two.head() == 1


def test_a_stream_of_another_tenant_is_closed_in_every_process(pair):
    one, two = pair
    run = StreamKey("run", str(uid("run")))
    one.append(envelope(), [StreamWrite(run, 0, (published(),))])
    for expected in (0, 1):
        with pytest.raises(StreamConflict) as refused:
            two.append(envelope(tenant="other"), [StreamWrite(run, expected, (published(),))])
        assert "current" not in refused.value.facts


def test_the_head_of_one_process_is_soon_that_of_the_other(pair):
    one, two = pair
    heads = []
    heard = threading.Event()

    def listen(head):
        heads.append(head)
        heard.set()

    two.add_listener(listen)
    one.append(envelope(), [write(events=3)])
    assert two.wait_beyond(0, 30.0) == two.head() == 3
    assert heard.wait(30)
    assert heads == [3]


def test_a_head_that_is_told_late_does_not_run_backwards(pair, database):
    one, _ = pair
    append_many(one, 3)
    heads = []
    one.add_listener(heads.append)
    with psycopg.connect(database) as connection:
        connection.execute("SELECT pg_notify('optaic_log_head', '2')")
    one.append(envelope(), [write()])
    assert heads == [4]
    assert one.head() == 4


def test_times_never_run_backwards_over_two_processes(log_database):
    ahead, behind = TickingClock(START + timedelta(days=1)), TickingClock(START)
    with open_postgres_log(log_database, ahead) as one, open_postgres_log(log_database, behind) as two:
        one.append(envelope(), [write()])
        two.append(envelope(), [write(expected=1)])
        two.append(envelope(), [write("checked"), write("checked", 1), write("checked", 2)])
        times = [event.recorded_at_us for event in one.read(0, 10)]
        assert times == sorted(times)
        assert one.verify().ok


def test_a_fact_that_changes_while_an_append_waits_is_a_conflict(pair, database):
    one, _ = pair
    one.append(envelope("first"), [write()])
    statement = """
    WITH copied AS (
        INSERT INTO activity_log
        SELECT 2, event_id, tenant, stream_id, 2, resource_type, resource_id, topic, actor, auth_method,
            on_behalf_of, reason, 'other', ordinal, body_hash, correlation_id, causation_id, recorded_at_us,
            payload FROM activity_log)
    UPDATE log_head SET position = 2"""
    found = overtaken(
        database, lambda: one.append(envelope(), [write("lgbm")], [StreamCheck(definition(), 1)]), statement
    )
    assert isinstance(found, StreamConflict)
    assert found.facts["current"] == 2


def test_a_command_that_is_refused_elsewhere_while_an_append_waits_leaves_no_event(pair, database):
    one, two = pair
    command = envelope("command")
    statement = """
    WITH touched AS (UPDATE log_head SET position = position)
    INSERT INTO command_outcome VALUES ('acme', %s, %s, 'refused', 'a.b', 'no', '{}', 0, 0)"""
    found = overtaken(
        database,
        lambda: one.append(command, [write()]),
        statement,
        str(command.command_id),
        command.body_hash,
    )
    assert (found.kind, found.repeated) == ("refused", True)
    assert two.head() == one.head() == 0


def test_an_append_that_others_overtake_takes_the_next_position(pair, database):
    one, two = pair
    two.append(envelope(), [write("early")])
    found = overtaken(
        database, lambda: one.append(envelope(), [write()]), "UPDATE log_head SET position = position"
    )
    assert found.position == 2
    assert one.verify().ok


@pytest.mark.parametrize("opened", ["one process", "two processes"])
def test_one_of_many_writers_of_a_version_wins(pair, opened):
    logs = pair if opened == "two processes" else (pair[0], pair[0])
    meet = threading.Barrier(8)

    def race(index):
        meet.wait()
        return logs[index % 2].append(envelope(), [write()])

    runs = [started(lambda index=index: race(index)) for index in range(8)]
    for thread, _ in runs:
        thread.join()
    results = [found[0] for _, found in runs]
    assert sum(not isinstance(each, StreamConflict) for each in results) == 1
    assert pair[0].head() == 1


def test_one_of_many_senders_of_a_command_is_first_and_all_get_its_outcome(pair):
    meet = threading.Barrier(8)

    def send(index):
        meet.wait()
        return pair[index % 2].append(envelope("command"), [write(events=2)])

    runs = [started(lambda index=index: send(index)) for index in range(8)]
    for thread, _ in runs:
        thread.join()
    results = [found[0] for _, found in runs]
    assert [each.position for each in results] == [2] * 8
    assert sum(not each.repeated for each in results) == 1
    assert pair[0].head() == 2


def submitted(*writes, checks=(), command=None):
    return submission_of_writes(envelope(command), writes, checks)


def test_commands_of_a_batch_that_follow_each_other_ask_the_database_once():
    found = conditions_of([submitted(write(expected=2)), submitted(write(expected=3, events=2))], 0)
    assert found
    assert [version for _, version, _ in found.present] == [2]
    assert found.missing == []


def test_a_checked_stream_must_be_there_and_not_have_gone_on():
    found = conditions_of([submitted(write(), checks=[StreamCheck(definition("other"), 3)])], 0)
    assert found
    assert [version for _, version, _ in found.present] == [3]
    assert [version for _, version in found.missing] == [4]


@pytest.mark.parametrize(
    "batch",
    [
        [submitted()],
        [submitted(write(), command="same"), submitted(write("other"), command="same")],
        [submitted(write()), submitted(write())],
        [submitted(write()), submitted(write(expected=3))],
        [submitted(write()), submitted(write("other"), checks=[StreamCheck(definition(), 0)])],
        [submitted(write(expected=-1))],
    ],
    ids=["no event", "one id twice", "one version twice", "a hole", "a stale check", "before the first"],
)
def test_what_has_to_be_judged_one_by_one_is_not_taken_at_once(batch):
    assert conditions_of(batch, 0) is None
