"""What a run or an evaluation left is deleted, whatever it is."""

import os
from pathlib import Path

import pytest

from infrastructure.execution.removal import remove_folder
from infrastructure.processes.sandbox import Level
from tests.execution.definition_packages import with_fit
from tests.execution.test_bad_runs import running
from tests.execution.work_desk import Desk
from tests.support.sandboxes import STRONG, sandbox_of

DEEP = 1100


def deep_folder(folder: Path, levels: int = DEEP) -> None:
    """Folders in each other, deeper than a path can say."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("deep", dir_fd=at)
        above, at = at, os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(above)
    os.close(os.open("file", os.O_CREAT, dir_fd=at))
    os.close(at)


def test_folders_deeper_than_a_path_can_say_are_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    deep_folder(folder)
    remove_folder(folder)
    assert list(tmp_path.iterdir()) == []


def test_links_are_deleted_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "kept")
    remove_folder(folder)
    assert [str(one.relative_to(tmp_path)) for one in sorted(tmp_path.rglob("*"))] == ["kept", "kept/file"]
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove_folder(tmp_path / "nothing")


def test_folders_without_rights_are_deleted(tmp_path: Path) -> None:
    inner = tmp_path / "run" / "closed" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    inner.chmod(0)
    inner.parent.chmod(0)
    remove_folder(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


LEAVES_A_DEEP_FOLDER = f"""
import os
for _ in range({DEEP}):
    os.mkdir("deep")
    os.chdir("deep")
os.chmod(".", 0)
raise SystemExit(4)
"""


@pytest.mark.parametrize("level", STRONG)
def test_a_run_that_leaves_a_deep_folder_leaves_nothing_and_the_executor_starts_again(
    tmp_path: Path, level: Level
) -> None:
    desk = Desk(tmp_path)
    run = desk.submit(1, desk.package("deep", with_fit(LEAVES_A_DEEP_FOLDER)))
    with running(desk, sandbox=sandbox_of(level, tmp_path)) as executor:
        desk.wait(lambda: run in desk.failed)
        assert executor.wait_idle(30)
    assert list((tmp_path / "runs").iterdir()) == []
    (tmp_path / "runs" / "left").mkdir()
    deep_folder(tmp_path / "runs" / "left")
    with running(desk):
        assert list((tmp_path / "runs").iterdir()) == []
