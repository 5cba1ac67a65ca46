"""One owner a data folder, nothing left open by who could not, and every end is a good beginning."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from application.queries import DatasetFilter, Paging
from infrastructure.activity_log.errors import LogClosed, LogFileForeign, LogOwnedElsewhere
from infrastructure.bootstrap import (
    DataFolderUnusable,
    Service,
    ViewsUnreadable,
    log_path,
    open_service,
    views_path,
)
from infrastructure.execution import LocalExecutor
from infrastructure.policy_progress import PolicyProgressFile, PolicyProgressUnreadable
from infrastructure.settings import SettingHostNotLoopback, Settings
from tests.wiring.service_process import create

ROOT = Path(__file__).parents[2]


def settings(folder: Path) -> Settings:
    return Settings(data=folder, run_slots=0)


@contextmanager
def opened(folder: Path) -> Iterator[Service]:
    service = open_service(settings(folder))
    try:
        yield service
    finally:
        service.close()


class OtherProcess:
    """A process that opens the same folder."""

    def __init__(self, folder: Path, failpoints: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.wiring.service_process", str(folder)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPTAIC_MLOPS_FAILPOINTS": failpoints},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said = self._line()

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def create(self, name: str) -> str:
        """What it says after one command; nothing if it died of it."""
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write(name + "\n")
            self.process.stdin.flush()
        return self._line()

    def end(self) -> int:
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.process.wait(30)


@contextmanager
def other_process(folder: Path, failpoints: str = "") -> Iterator[OtherProcess]:
    other = OtherProcess(folder, failpoints)
    try:
        yield other
    finally:
        other.process.kill()
        other.end()
        other.process.stdout.close()  # type: ignore[union-attr]


def names(service: Service) -> list[str]:
    """The datasets that the views show."""
    page = service.queries.datasets("local", DatasetFilter(), Paging())
    return sorted(one.name for one in page.items)


def service_threads() -> set[str]:
    names = {"projector", "policies", "executor", "leases"}
    return {thread.name for thread in threading.enumerate()} & names


# --- one owner


def test_a_second_process_is_told_who_has_the_folder_and_gets_it_after_the_close(tmp_path: Path) -> None:
    with opened(tmp_path) as service:
        with other_process(tmp_path) as other:
            assert other.said.startswith("log.owned_elsewhere: ")
            assert str(log_path(tmp_path)) in other.said
            assert f"process {os.getpid()}" in other.said
            assert other.end() == 0
        create(service, "prices")
    with other_process(tmp_path) as other:
        assert other.said == "open"
        assert other.create("volumes") == "2"
        with pytest.raises(LogOwnedElsewhere) as caught:
            open_service(settings(tmp_path))
        assert caught.value.facts["pid"] == str(other.process.pid)
        assert other.end() == 0
    with opened(tmp_path) as service:
        assert service.log.head() == 2


def test_a_folder_is_not_opened_twice_in_one_process_and_the_first_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as service:
        with pytest.raises(LogOwnedElsewhere):
            open_service(settings(tmp_path))
        create(service, "prices")
        assert service.log.head() == 1


# --- closing


def test_closing_is_done_once_ends_every_thread_and_frees_the_folder(tmp_path: Path) -> None:
    before = service_threads()
    service = open_service(settings(tmp_path))
    create(service, "prices")
    service.close()
    service.close()
    assert service_threads() == before
    with pytest.raises(LogClosed):
        create(service, "volumes")
    with opened(tmp_path) as again:
        create(again, "volumes")
        assert names(again) == ["prices", "volumes"]


def test_policies_resume_after_a_close_where_they_stopped(tmp_path: Path) -> None:
    with opened(tmp_path) as service:
        create(service, "prices")
    assert PolicyProgressFile(tmp_path / "policies.json").load() == 1


# --- half way


def damage_views(folder: Path) -> None:
    for path in folder.glob("views.sqlite*"):
        path.unlink()
    views_path(folder).write_bytes(b"no database" * 1_000)


def damage_progress(folder: Path) -> None:
    (folder / "policies.json").write_bytes(b"")


def damage_artifacts(folder: Path) -> None:
    for path in sorted((folder / "artifacts").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder / "artifacts").rmdir()
    (folder / "artifacts").write_bytes(b"a file")


def test_a_views_file_that_cannot_be_written_is_said_of_the_folder(tmp_path: Path) -> None:
    views_path(tmp_path).mkdir()
    with pytest.raises(DataFolderUnusable, match=r"views\.sqlite"):
        open_service(settings(tmp_path))


@pytest.mark.parametrize(
    ("damage", "error", "cure"),
    [
        (damage_views, ViewsUnreadable, "views.sqlite"),
        (damage_progress, PolicyProgressUnreadable, "policies.json"),
        (damage_artifacts, OSError, "artifacts"),
    ],
)
def test_what_cannot_be_opened_is_named_and_leaves_nothing_locked(
    tmp_path: Path, damage, error: type[Exception], cure: str
) -> None:
    with opened(tmp_path) as service:
        create(service, "prices")
    before = service_threads()
    damage(tmp_path)
    for _ in range(2):
        with pytest.raises(error, match=cure):
            open_service(settings(tmp_path))
    assert service_threads() == before
    (tmp_path / cure).unlink()
    with opened(tmp_path) as service:
        service.queries.wait(1, 10.0)
        assert names(service) == ["prices"]
        create(service, "volumes")


def test_an_executor_that_cannot_start_leaves_nothing_running(tmp_path: Path, monkeypatch) -> None:
    def refuse(_: LocalExecutor) -> None:
        raise OSError("no process can be started")

    before = service_threads()
    with monkeypatch.context() as patched:
        patched.setattr(LocalExecutor, "start", refuse)
        with pytest.raises(OSError, match="no process"):
            open_service(settings(tmp_path))
    assert service_threads() == before
    with opened(tmp_path) as service:
        create(service, "prices")


def test_a_log_that_is_no_log_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    log_path(tmp_path).write_bytes(b"my notes" * 100)
    for _ in range(2):
        with pytest.raises(LogFileForeign):
            open_service(settings(tmp_path))
    assert log_path(tmp_path).read_bytes() == b"my notes" * 100


def test_a_data_folder_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    for folder in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(DataFolderUnusable) as caught:
            open_service(settings(folder))
        assert str(folder) in caught.value.detail
        assert "OPTAIC_MLOPS_DATA" in caught.value.remedy


# --- after a crash


@pytest.mark.parametrize("place", ["after_position", "before_commit", "after_commit"])
def test_a_folder_opens_after_a_kill_amid_a_write_of_the_views(tmp_path: Path, place: str) -> None:
    with other_process(tmp_path, failpoints=f"projection.{place}=kill@2") as other:
        assert other.said == "open"
        heads = [other.create(f"prices-{number}") for number in range(3)]
        assert "" in heads
        assert other.end() == -9
    with opened(tmp_path) as service:
        head = service.log.head()
        assert head >= 1
        service.queries.wait(head, 10.0)
        assert len(names(service)) == head
        assert all(report.is_equal for report in service.views.verify())
        create(service, "volumes")


# --- settings


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "abc"), ("PORT", "70000"), ("TENANT", "Not A Name"), ("RUN_SLOTS", "-1"), ("PRINCIPAL", "ada")],
)
def test_a_setting_that_is_wrong_is_named(monkeypatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"OPTAIC_MLOPS_{name}", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    (error,) = caught.value.errors()
    assert error["loc"] == (name.lower(),)


def test_an_address_that_others_reach_and_an_unknown_setting_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingHostNotLoopback, match=r"0\.0\.0\.0"):
        Settings(host="0.0.0.0")
    with pytest.raises(ValidationError, match="prot"):
        Settings(data=tmp_path, prot=1)  # type: ignore[call-arg]


def test_two_folders_are_open_beside_each_other(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        create(one, "prices")
        create(two, "volumes")
        assert [service.log.head() for service in (one, two)] == [1, 1]
