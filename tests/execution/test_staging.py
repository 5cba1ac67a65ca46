"""What a run hands in is copied without following or waiting for anything that it may change meanwhile."""

import os
import re
from pathlib import Path

import pytest

from infrastructure.execution import staging
from infrastructure.execution.errors import RunOutputMalformed
from infrastructure.execution.staging import FOLDERS_DEEP_MAX

MIB = 1 << 20


def copy_file(work: Path, told: str, target: Path, bytes_max: int = MIB) -> None:
    staging.copy_file(work, told, target, bytes_max=bytes_max)


def copy_folder(work: Path, told: str, target: Path) -> None:
    staging.copy_folder(work, told, target, bytes_max=MIB, entries_max=40)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "work"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "weights.txt").write_text("1.5")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "weights.txt").write_text("secret")
    return folder


@pytest.mark.parametrize("told", ["model/weights.txt", "./model/weights.txt"])
def test_a_file_is_copied_by_its_relative_or_absolute_path(work: Path, tmp_path: Path, told: str) -> None:
    for path in (told, str(work / told)):
        copy_file(work, path, tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == "1.5"


def test_a_working_folder_may_be_reached_through_a_link(work: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "run")
    copy_file(tmp_path / "link" / "work", str(work / "model" / "weights.txt"), tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "1.5"


@pytest.mark.parametrize("place", ["model", "model/weights.txt"])
def test_no_part_of_a_path_may_be_a_link_even_to_the_right_place(
    work: Path, tmp_path: Path, place: str
) -> None:
    (work / place).rename(work / "moved")
    (work / place).symlink_to(work / "moved")
    with pytest.raises(RunOutputMalformed, match="not a file or folder of the run"):
        copy_file(work, "model/weights.txt", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("told", ["../../secret/weights.txt", "/etc/passwd", "", ".", "model/../../inputs"])
def test_what_lies_elsewhere_is_not_the_runs(work: Path, tmp_path: Path, told: str) -> None:
    with pytest.raises(RunOutputMalformed, match="the run's own folder"):
        copy_file(work, told, tmp_path / "copy")


def test_a_pipe_is_refused_and_not_waited_for(work: Path, tmp_path: Path) -> None:
    os.mkfifo(work / "model" / "pipe")
    with pytest.raises(RunOutputMalformed, match="not a file"):
        copy_file(work, "model/pipe", tmp_path / "copy")
    with pytest.raises(RunOutputMalformed, match="not a file"):
        copy_folder(work, "model", tmp_path / "folder")


def test_a_file_may_be_as_large_as_it_is_told(work: Path, tmp_path: Path) -> None:
    copy_file(work, "model/weights.txt", tmp_path / "copy", bytes_max=3)
    with pytest.raises(RunOutputMalformed, match="more than the 2 bytes"):
        copy_file(work, "model/weights.txt", tmp_path / "copy", bytes_max=2)


def test_a_folder_is_copied_with_all_its_files(work: Path, tmp_path: Path) -> None:
    (work / "model" / "a" / "b").mkdir(parents=True)
    (work / "model" / "a" / "b" / "c.txt").write_text("c")
    copy_folder(work, "model", tmp_path / "folder")
    assert (tmp_path / "folder" / "a" / "b" / "c.txt").read_text() == "c"
    assert (tmp_path / "folder" / "weights.txt").read_text() == "1.5"


@pytest.mark.parametrize("name", ["a:b", "con", "new\nline", "trailing "])
def test_a_name_that_no_archive_may_have_is_refused_before_it_is_packed(
    work: Path, tmp_path: Path, name: str
) -> None:
    (work / "model" / name).write_text("x")
    with pytest.raises(RunOutputMalformed, match=re.escape(repr(name))):
        copy_folder(work, "model", tmp_path / "folder")


def test_folders_in_folders_without_an_end_are_refused(work: Path, tmp_path: Path) -> None:
    (work / "/".join(["model"] * (FOLDERS_DEEP_MAX + 1))).mkdir(parents=True)
    with pytest.raises(RunOutputMalformed, match="deep"):
        copy_folder(work, "model", tmp_path / "folder")


@pytest.mark.parametrize("told", ["model/weights.txt", "empty"])
def test_a_model_is_a_folder_with_files(work: Path, tmp_path: Path, told: str) -> None:
    (work / "empty").mkdir()
    with pytest.raises(RunOutputMalformed, match="folder with files"):
        copy_folder(work, told, tmp_path / "folder")


def test_a_file_that_is_large_without_taking_any_room_is_not_copied(work: Path, tmp_path: Path) -> None:
    for number in range(2):
        (work / "model" / f"hole-{number}").touch()
        os.truncate(work / "model" / f"hole-{number}", MIB - 4)
    with pytest.raises(RunOutputMalformed, match="hole-1"):
        copy_folder(work, "model", tmp_path / "folder")
    with pytest.raises(RunOutputMalformed, match="hole-1"):
        copy_file(work, "model/hole-1", tmp_path / "copy", bytes_max=MIB // 2)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_model_has_a_bounded_number_of_files_and_folders(work: Path, tmp_path: Path, kind: str) -> None:
    for number in range(40):
        place = work / "model" / str(number)
        place.touch() if kind == "file" else place.mkdir()
    with pytest.raises(RunOutputMalformed, match="more than 40"):
        copy_folder(work, "model", tmp_path / "folder")
