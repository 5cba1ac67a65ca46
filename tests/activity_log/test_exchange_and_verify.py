"""A log goes out and comes in byte for byte; whatever is wrong with one is found and located."""

import hashlib
import json
import struct

import pytest

from infrastructure.activity_log import open_activity_log, open_readonly
from infrastructure.activity_log.errors import LogBytesUnreadable, LogLineRefused, LogNotEmpty
from infrastructure.activity_log.exchange import line_of
from infrastructure.activity_log.record import record_of
from infrastructure.activity_log.schema import COLUMNS
from infrastructure.activity_log.sqlite import driver
from tests.activity_log.scenes import TickingClock, append_many, envelope, uid, write


@pytest.fixture
def lines(log, tmp_path):
    log.append(
        envelope(reason="because – “so”", causation_id=uid("cause")), [write(events=3), write("other")]
    )
    append_many(log, 3, 2)
    log.export(tmp_path / "export.jsonl")
    return (tmp_path / "export.jsonl").read_text("utf-8").splitlines()


@pytest.fixture
def empty(tmp_path):
    with open_activity_log(tmp_path / "empty", TickingClock()) as opened:
        yield opened


def test_an_import_reproduces_every_row(log, lines, empty):
    assert empty.import_from(lines) == 10 == empty.head()
    assert empty.rows(0, 100) == log.rows(0, 100)
    assert empty.log_hash() == log.log_hash()


def test_an_imported_log_goes_on_where_it_ends(lines, empty):
    empty.import_from(lines)
    assert empty.append(envelope(), [write(expected=3)]).position == 11
    assert empty.verify().problem is None
    assert empty.rows(10, 1)[0][17] >= empty.rows(9, 1)[0][17]


def test_an_imported_command_is_known(log, lines, empty):
    log.append(envelope("command"), [write("late")])
    empty.import_from([*lines, *export_after(log, 10)])
    assert empty.append(envelope("command"), [write("late")]).repeated


def export_after(log, position):
    from infrastructure.activity_log.exchange import line_of

    return [line_of(row) for row in log.rows(position, 100)]


def test_only_an_empty_log_takes_an_import(log, lines):
    with pytest.raises(LogNotEmpty):
        log.import_from(lines)


def changed(line, **values):
    return json.dumps({**json.loads(line), **values})


@pytest.mark.parametrize(
    ("spoil", "number"),
    [
        (lambda lines: lines[:4] + lines[5:], 5),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:6], "{", *lines[7:]], 7),
        (lambda lines: [*lines[:6], "", *lines[6:]], 7),
        (lambda lines: [*lines[:2], changed(lines[2], stream_version=7), *lines[3:]], 3),
        (lambda lines: [*lines[:2], changed(lines[2], ordinal=7), *lines[3:]], 3),
        (lambda lines: [*lines[:2], changed(lines[2], event_id="x"), *lines[3:]], 3),
        (lambda lines: [*lines[:2], changed(lines[2], command_id="x"), *lines[3:]], 3),
        (lambda lines: [*lines[:2], changed(lines[2], body_hash="xyz"), *lines[3:]], 3),
        (lambda lines: [*lines[:2], changed(lines[2], extra=1), *lines[3:]], 3),
        (lambda lines: [*lines[:2], changed(lines[2], recorded_at_us=1), *lines[3:]], 3),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(lines, empty, spoil, number):
    with pytest.raises(LogLineRefused, match=f"line {number}:") as refused:
        empty.import_from(spoil(lines))
    assert refused.value.facts == {"line": number}
    assert (empty.head(), empty.read(0, 10)) == (0, [])
    assert empty.import_from(lines) == 10


def test_a_log_is_read_and_exported_beside_its_owner(log, lines, log_path, tmp_path):
    with open_readonly(log_path) as beside:
        assert (beside.head(), beside.log_hash(), beside.verify()) == (10, log.log_hash(), log.verify())
        append_many(log, 0)
        log.append(envelope(), [write("later")])
        assert beside.head() == 11
        assert beside.export(tmp_path / "beside.jsonl") == 11
    assert (tmp_path / "beside.jsonl").read_text("utf-8").splitlines()[:10] == lines


def test_a_log_without_an_owner_is_read(log_path):
    with open_activity_log(log_path, TickingClock()) as log:
        append_many(log, 2)
    with open_readonly(log_path) as alone:
        assert alone.verify().events == 2


def test_the_record_is_a_length_and_the_bytes_of_each_column_in_order():
    row = (1, "ä", None, b"\x00\x01")
    assert record_of(row) == b"".join(
        (
            struct.pack(">Iq", 8, 1),
            struct.pack(">I", 2),
            b"\xc3\xa4",
            b"\xff" * 4,
            struct.pack(">I", 2),
            b"\x00\x01",
        )
    )


def test_the_hash_of_the_log_is_that_of_its_records(log):
    append_many(log, 3)
    records = [record for _, record in log.records(0, 10)]
    assert log.log_hash() == hashlib.sha256(b"".join(records)).hexdigest() == log.verify().log_hash


TAMPER = [
    ("UPDATE activity_log SET position = 40 WHERE position = 4", 4),
    ("DELETE FROM activity_log WHERE position = 3", 3),
    ("UPDATE activity_log SET stream_version = 9 WHERE position = 4", 4),
    ("UPDATE activity_log SET stream_version = 0 WHERE position = 1", 1),
    ("UPDATE activity_log SET recorded_at_us = 5 WHERE position = 4", 4),
    ("UPDATE activity_log SET event_id = 'x' WHERE position = 2", 2),
    ("UPDATE activity_log SET command_id = 'x' WHERE position = 2", 2),
    ("UPDATE activity_log SET tenant = 'x' WHERE position = 2", 2),
    ("UPDATE activity_log SET resource_id = 'x' WHERE position = 2", 2),
    ("UPDATE activity_log SET payload = x'7b' WHERE position = 2", 2),
    ("UPDATE activity_log SET payload = x'ff' WHERE position = 2", 2),
    ("UPDATE log_head SET position = 9", 6),
    ("DELETE FROM log_head", 6),
]


@pytest.mark.parametrize(("statement", "position"), TAMPER)
def test_a_change_is_found_at_its_first_bad_position(log, log_path, statement, position):
    append_many(log, 5)
    vandal = driver.connect(str(log_path), isolation_level=None)
    for (name,) in vandal.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        vandal.execute(f"DROP TRIGGER {name}")
    vandal.execute(statement)
    vandal.close()
    with open_readonly(log_path) as beside:
        verdict = beside.verify()
    assert verdict.problem is not None
    assert (verdict.problem.position, verdict.log_hash, verdict.ok) == (position, None, False)


def test_the_columns_are_those_of_the_record_in_their_order():
    assert " ".join(COLUMNS) == (
        "position event_id tenant stream_id stream_version resource_type resource_id topic actor auth_method "
        "on_behalf_of reason command_id ordinal body_hash correlation_id causation_id recorded_at_us payload"
    )


def test_a_payload_that_is_no_text_is_not_exported(log, lines):
    *columns, _ = log.rows(0, 1)[0]
    with pytest.raises(LogBytesUnreadable, match="position 1"):
        line_of((*columns, b"\xff"))
