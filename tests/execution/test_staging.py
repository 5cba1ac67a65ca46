"""What a run hands in is copied without following or waiting for anything that it may change meanwhile."""

import os
import re
from pathlib import Path

import pytest

from infrastructure.execution.errors import RunOutputMalformed
from infrastructure.execution.staging import FOLDERS_DEEP_MAX, Allowance, copy_file, copy_folder


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
        copy_file(work, path, tmp_path / "copy", Allowance(1_000))
        assert (tmp_path / "copy").read_text() == "1.5"


def test_a_working_folder_may_be_reached_through_a_link(work: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "run")
    copy_file(
        tmp_path / "link" / "work", str(work / "model" / "weights.txt"), tmp_path / "copy", Allowance(1_000)
    )
    assert (tmp_path / "copy").read_text() == "1.5"


@pytest.mark.parametrize("place", ["model", "model/weights.txt"])
def test_no_part_of_a_path_may_be_a_link_even_to_the_right_place(
    work: Path, tmp_path: Path, place: str
) -> None:
    (work / place).rename(work / "moved")
    (work / place).symlink_to(work / "moved")
    with pytest.raises(RunOutputMalformed, match="not a file or folder of the run"):
        copy_file(work, "model/weights.txt", tmp_path / "copy", Allowance(1_000))
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("told", ["../../secret/weights.txt", "/etc/passwd", "", ".", "model/../../inputs"])
def test_what_lies_elsewhere_is_not_the_runs(work: Path, tmp_path: Path, told: str) -> None:
    with pytest.raises(RunOutputMalformed, match="the run's own folder"):
        copy_file(work, told, tmp_path / "copy", Allowance(1_000))


def test_a_pipe_is_refused_and_not_waited_for(work: Path, tmp_path: Path) -> None:
    os.mkfifo(work / "model" / "pipe")
    with pytest.raises(RunOutputMalformed, match="not a file"):
        copy_file(work, "model/pipe", tmp_path / "copy", Allowance(1_000))
    with pytest.raises(RunOutputMalformed, match="not a file"):
        copy_folder(work, "model", tmp_path / "folder", Allowance(1_000, 10))


def test_a_file_may_be_as_large_as_it_is_told(work: Path, tmp_path: Path) -> None:
    copy_file(work, "model/weights.txt", tmp_path / "copy", Allowance(3))
    with pytest.raises(RunOutputMalformed, match="has 3 bytes, 2 more"):
        copy_file(work, "model/weights.txt", tmp_path / "copy", Allowance(2))


def test_files_that_are_one_hole_count_with_the_size_that_they_show(work: Path, tmp_path: Path) -> None:
    """They take no room where they lie, and all of it as a copy."""
    for name in "abc":
        with (work / "model" / name).open("wb") as file:
            file.truncate(1 << 20)
    with pytest.raises(RunOutputMalformed, match="c has 1048576 bytes"):
        copy_folder(work, "model", tmp_path / "folder", Allowance(5 << 19, 10))
    assert not (tmp_path / "folder" / "c").exists()


def test_a_folder_may_hold_as_many_files_as_is_told(work: Path, tmp_path: Path) -> None:
    (work / "model" / "zero").touch()
    copy_folder(work, "model", tmp_path / "two", Allowance(1_000, 2))
    with pytest.raises(RunOutputMalformed, match="with zero there are more files"):
        copy_folder(work, "model", tmp_path / "folder", Allowance(1_000, 1))


def test_a_folder_is_copied_with_all_its_files(work: Path, tmp_path: Path) -> None:
    (work / "model" / "a" / "b").mkdir(parents=True)
    (work / "model" / "a" / "b" / "c.txt").write_text("c")
    copy_folder(work, "model", tmp_path / "folder", Allowance(1_000, 10))
    assert (tmp_path / "folder" / "a" / "b" / "c.txt").read_text() == "c"
    assert (tmp_path / "folder" / "weights.txt").read_text() == "1.5"


@pytest.mark.parametrize("name", ["a:b", "con", "new\nline", "trailing "])
def test_a_name_that_no_archive_may_have_is_refused_before_it_is_packed(
    work: Path, tmp_path: Path, name: str
) -> None:
    (work / "model" / name).write_text("x")
    with pytest.raises(RunOutputMalformed, match=re.escape(repr(name))):
        copy_folder(work, "model", tmp_path / "folder", Allowance(1_000, 10))


def test_folders_in_folders_without_an_end_are_refused(work: Path, tmp_path: Path) -> None:
    (work / "/".join(["model"] * (FOLDERS_DEEP_MAX + 1))).mkdir(parents=True)
    with pytest.raises(RunOutputMalformed, match="deep"):
        copy_folder(work, "model", tmp_path / "folder", Allowance(1_000, 10))


@pytest.mark.parametrize("told", ["model/weights.txt", "empty"])
def test_a_model_is_a_folder_with_files(work: Path, tmp_path: Path, told: str) -> None:
    (work / "empty").mkdir()
    with pytest.raises(RunOutputMalformed, match="folder with files"):
        copy_folder(work, told, tmp_path / "folder", Allowance(1_000, 10))
