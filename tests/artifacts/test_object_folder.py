"""The folder keeps the contract of objects."""

import os
import socket

import pytest

from infrastructure.artifacts.objects import ObjectFolder
from tests.artifacts.objects_contract import ObjectsContract


class TestObjectFolder(ObjectsContract):
    @pytest.fixture
    def objects(self, tmp_path):
        return ObjectFolder(tmp_path / "store", "artifact")

    @pytest.fixture
    def tree(self, tmp_path):
        root = tmp_path / "store"
        return lambda: {
            path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
        }

    @pytest.fixture
    def damage(self, tmp_path):
        def put(place, content):
            path = tmp_path / "store" / place
            path.chmod(0o644)
            path.write_bytes(content)

        return put


def test_another_hosts_writes_in_progress_are_left_alone_until_they_are_a_day_old(tmp_path):
    """A lock may be seen on its own host alone."""
    scratch = tmp_path / "store" / "tmp"
    scratch.mkdir(parents=True)
    for name in ("elsewhere~1-young", "elsewhere~2-old", f"{socket.gethostname()}~3-dead"):
        (scratch / name).write_bytes(b"half")
    os.utime(scratch / "elsewhere~2-old", (0, 0))
    ObjectFolder(tmp_path / "store", "artifact")
    assert [path.name for path in scratch.iterdir()] == ["elsewhere~1-young"]


def test_pieces_that_end_in_an_error_leave_nothing(tmp_path):
    def pieces():
        yield b"half"
        raise OSError("the source broke")

    folder = ObjectFolder(tmp_path / "store", "artifact")
    with pytest.raises(OSError, match="broke"):
        folder.put_chunks(pieces())
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
