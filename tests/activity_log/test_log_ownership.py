"""One process owns a log, on a local file system, in a file of ours."""

import os

import pytest

from infrastructure.activity_log import open_activity_log, open_readonly
from infrastructure.activity_log.errors import (
    LogClosed,
    LogFileForeign,
    LogHeadWrong,
    LogOnNetworkFileSystem,
    LogOwnedElsewhere,
    SqliteTooOld,
)
from infrastructure.activity_log.ownership import file_system_of, refuse_network_file_system
from infrastructure.activity_log.sqlite import driver, journal_mode_for
from tests.activity_log.scenes import TickingClock, append_many, envelope, write

MOUNTS = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /data rw,relatime - nfs4 server:/export rw
31 30 254:1 / /data/local rw,relatime shared:7 master:2 - xfs /dev/vdb rw
32 22 0:40 / /my\040disk rw - fuse.sshfs me@host:/ rw
33 22 0:41 / /twice rw - ext4 /dev/vdc rw
34 22 0:42 / /twice rw - cifs //server/share rw
a broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/ada/log", "ext4"),
        ("/data", "nfs4"),
        ("/data/deep/log", "nfs4"),
        ("/data/local/log", "xfs"),
        ("/database/log", "ext4"),
        ("/my disk/log", "fuse.sshfs"),
        ("/twice/log", "cifs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_longest_and_latest_mount(path, kind):
    assert file_system_of(path, MOUNTS) == kind


def test_a_folder_on_a_network_file_system_is_refused(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:1 / / rw - ext4 x rw\n23 22 0:2 / {tmp_path} rw - nfs4 server:/x rw\n")
    with pytest.raises(LogOnNetworkFileSystem, match="nfs4"):
        refuse_network_file_system(tmp_path, mounts)
    refuse_network_file_system(tmp_path.parent, mounts)


def test_a_system_without_a_mount_table_refuses_nothing(tmp_path):
    refuse_network_file_system(tmp_path, tmp_path / "missing")


def test_a_second_opener_is_told_who_owns_the_log(log, log_path):
    with pytest.raises(LogOwnedElsewhere, match=str(os.getpid())):
        open_activity_log(log_path, TickingClock())


def test_a_closed_log_can_be_owned_again(log_path):
    for _ in range(2):
        with open_activity_log(log_path, TickingClock()) as log:
            append_many(log, 1) if log.head() == 0 else None
    with open_readonly(log_path) as log:
        assert log.head() == 1


def test_a_closed_log_refuses_commands_and_may_be_closed_twice(log):
    log.close()
    log.close()
    with pytest.raises(LogClosed):
        log.append(envelope(), [write()])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_neither_holds_the_lock_nor_writes(log_path):
    log = open_activity_log(log_path, TickingClock())
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            log.append(envelope(), [write()])
        except LogClosed:
            os.write(writing, b"refused")
        finally:
            os._exit(0)
    os.close(writing)
    assert os.read(reading, 16) == b"refused"
    os.close(reading)
    os.waitpid(child, 0)
    log.append(envelope(), [write()])
    log.close()
    open_activity_log(log_path, TickingClock()).close()


def test_a_database_of_something_else_is_refused_and_left_alone(log_path):
    other = driver.connect(str(log_path))
    other.execute("PRAGMA application_id = 7")
    other.close()
    with pytest.raises(LogFileForeign):
        open_activity_log(log_path, TickingClock())
    other = driver.connect(str(log_path))
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == []
    other.close()


def test_there_is_nothing_to_read_where_no_log_is(tmp_path):
    with pytest.raises(LogFileForeign):
        open_readonly(tmp_path / "missing")


def test_a_log_whose_tail_was_cut_is_not_opened(log_path):
    with open_activity_log(log_path, TickingClock()) as log:
        append_many(log, 3)
    vandal = driver.connect(str(log_path), isolation_level=None)
    vandal.execute("DROP TRIGGER activity_log_no_delete")
    vandal.execute("DELETE FROM activity_log WHERE position = 3")
    vandal.close()
    with pytest.raises(LogHeadWrong):
        open_activity_log(log_path, TickingClock())


@pytest.mark.parametrize(
    ("version", "mode"),
    [((3, 53, 4), "wal"), ((3, 51, 3), "wal"), ((3, 51, 2), "delete"), ((3, 40, 1), "delete")],
)
def test_only_an_sqlite_that_loses_no_commits_gets_a_write_ahead_log(version, mode):
    assert journal_mode_for(version) == mode


def test_an_sqlite_without_the_statements_that_the_log_needs_is_refused():
    with pytest.raises(SqliteTooOld):
        journal_mode_for((3, 37, 2))
