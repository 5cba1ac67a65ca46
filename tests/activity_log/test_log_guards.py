"""The triggers refuse every change of the log but an append, on connections without our settings."""

import pytest

from infrastructure.activity_log.schema import COLUMNS
from infrastructure.activity_log.sqlite import driver
from tests.activity_log.scenes import append_many

COPY = "INSERT {how} INTO activity_log SELECT {columns} FROM activity_log WHERE position = 2"
ALL = ", ".join(COLUMNS)


@pytest.fixture
def stranger(log, log_path):
    append_many(log, 3)
    connection = driver.connect(str(log_path), isolation_level=None)
    assert connection.execute("PRAGMA recursive_triggers").fetchone() == (0,)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE activity_log SET reason = 'other' WHERE position = 2",
        "UPDATE OR REPLACE activity_log SET position = 1 WHERE position = 2",
        "DELETE FROM activity_log WHERE position = 3",
        "DELETE FROM activity_log",
        "UPDATE log_head SET position = 2",
        "UPDATE log_head SET recorded_at_us = 0",
        "UPDATE log_head SET id = 2",
        "DELETE FROM log_head",
        "INSERT INTO log_head VALUES (2, 9, 9)",
        "INSERT OR REPLACE INTO log_head VALUES (1, 0, 0)",
    ],
)
def test_a_statement_that_changes_the_past_is_refused(stranger, log, statement):
    before = log.log_hash()
    with pytest.raises(driver.IntegrityError):
        stranger.execute(statement)
    assert log.log_hash() == before
    assert log.verify().problem is None


@pytest.mark.parametrize("how", ["OR REPLACE", "OR IGNORE", "OR ROLLBACK", ""])
@pytest.mark.parametrize(
    "columns",
    [
        ALL.replace("stream_id", "'other'").replace("command_id", "'other'"),
        ALL.replace("position", "4", 1).replace("command_id", "'other'"),
        ALL.replace("position", "4", 1).replace("stream_id", "'other'"),
        ALL.replace("position", "9", 1).replace("stream_id", "'other'").replace("command_id", "'other'"),
    ],
    ids=["same position", "same stream version", "same command", "a hole"],
)
def test_an_insert_never_replaces_a_row_nor_leaves_a_hole(stranger, log, how, columns):
    before = log.log_hash()
    with pytest.raises(driver.IntegrityError):
        stranger.execute(COPY.format(how=how, columns=columns))
    assert log.log_hash() == before
