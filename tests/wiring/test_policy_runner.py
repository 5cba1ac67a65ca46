"""The runner's place in the log: where it begins, resumes and stops, and what no failure takes from it."""

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from application.policies import POLICIES
from application.policies.context import PolicyContext
from application.policies.runner import PolicyRunner
from domain.dataset.commands import CreateDataset
from domain.dataset.events import DatasetCreated
from domain.model_instance.specification import PromotionPolicy
from domain.shared.activity import RecordedEvent
from infrastructure.activity_log import open_activity_log
from infrastructure.policy_progress import PolicyProgressFile, PolicyProgressUnreadable
from tests.support.valid import declaration
from tests.wiring.wired_desk import WiredDesk

AUTOMATIC = PromotionPolicy(mode="automatic", metric="rank_ic", at_least=0.02)


class Noting:
    """A policy that notes the positions it acts on; `failing` ones raise as often as told."""

    __name__ = "noting"

    def __init__(self, failing: dict[int, int] | None = None, error: Exception | None = None) -> None:
        self.seen: list[int] = []
        self.failing = failing or {}
        self.error = error or ValueError("a fault of the policy")
        self.acting = threading.Event()

    def __call__(self, recorded: RecordedEvent, _context: PolicyContext) -> None:
        self.acting.set()
        if self.failing.get(recorded.position, 0) > 0:
            self.failing[recorded.position] -= 1
            raise self.error
        self.seen.append(recorded.position)


def of_datasets(*policies: Callable[..., None]) -> dict:
    return {DatasetCreated: policies}


def create(desk: WiredDesk, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        desk.send(CreateDataset(name=f"prices-{number:04}", declaration=declaration()))


def test_it_begins_at_the_head_of_a_log_that_is_new_to_it_and_resumes_where_it_stopped(
    desk: WiredDesk,
) -> None:
    create(desk, 3)
    noting = Noting()
    with desk.followed(of_datasets(noting)):
        create(desk, 2, first=3)
        desk.until(lambda: noting.seen == [4, 5], "the two new ones")
    assert desk.progress().load() == 5
    create(desk, 2, first=5)
    with desk.followed(of_datasets(noting)):
        desk.until(lambda: noting.seen == [4, 5, 6, 7], "what came while it was away, once")


def test_it_follows_over_many_pages_in_order(desk: WiredDesk) -> None:
    noting = Noting()
    desk.progress().save(0)
    create(desk, 503)
    with desk.followed(of_datasets(noting)):
        desk.until(lambda: len(noting.seen) == 503, "all pages")
    assert noting.seen == list(range(1, 504))


def test_progress_is_saved_while_the_log_rests(desk: WiredDesk) -> None:
    with desk.followed(of_datasets(Noting())):
        create(desk, 2)
        desk.until(lambda: desk.progress().load() == 2, "saved without a stop")


def test_what_ended_without_saving_is_acted_on_again(desk: WiredDesk) -> None:
    """kill -9 between acting and saving: at least once; the commands' ids make it once in effect."""
    desk.ready(promotion_policy=AUTOMATIC)
    desk.progress().save(desk.log.head())
    saved = desk.progress_path.read_bytes()
    with desk.followed():
        desk.train(rank_ic=0.5)
        desk.until(lambda: desk.instance_state().active == 1, "promoted")
    desk.progress_path.write_bytes(saved)
    head = desk.log.head()
    with desk.followed():
        desk.until(lambda: desk.progress().load() == head, "acted again")
    assert desk.log.head() == head


# --- failures


def test_a_failing_policy_is_tried_again_until_it_succeeds(desk: WiredDesk, caplog) -> None:
    noting = Noting(failing={1: 2})
    with desk.followed(of_datasets(noting)):
        create(desk, 2)
        desk.until(lambda: noting.seen == [1, 2], "both, in order")
    assert [one.levelno for one in caplog.records] == [logging.WARNING] * 2


@pytest.mark.parametrize("error", [ValueError("a fault"), OSError("a disk"), MemoryError()])
def test_a_policy_that_keeps_failing_is_logged_with_its_place_and_holds_nothing_up(
    desk: WiredDesk, caplog, monkeypatch, error: Exception
) -> None:
    monkeypatch.setattr("application.policies.runner._FIRST_PAUSE_S", 0.001)
    failing, after = Noting(failing={1: 99}, error=error), Noting()
    with desk.followed(of_datasets(failing, after)):
        create(desk, 2)
        desk.until(lambda: after.seen == [1, 2], "the other policy and the next event")
    assert failing.seen == [2]
    assert desk.progress().load() == 2
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.getMessage() == "policy noting gave up position 1 after 5 attempts"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


@pytest.mark.quiet
def test_a_stop_amid_failures_keeps_the_event_for_the_next_start(desk: WiredDesk) -> None:
    failing = Noting(failing={2: 99})
    runner = desk.runner(of_datasets(failing))
    runner.start()
    create(desk, 2)
    desk.until(lambda: failing.failing.get(2, 99) < 99, "the second event fails")
    began = time.monotonic()
    runner.stop()
    assert time.monotonic() - began < 1.0
    assert desk.progress().load() == 1
    failing.failing.clear()
    with desk.followed(of_datasets(failing)):
        desk.until(lambda: failing.seen == [1, 2], "it is acted on after all")


def test_a_disk_that_takes_no_progress_does_not_end_the_runner(desk: WiredDesk, caplog) -> None:
    noting = Noting()
    with desk.followed(of_datasets(noting)):
        aside = desk.progress_path.with_suffix(".new")
        aside.mkdir()
        create(desk, 1)
        desk.until(lambda: "stand at position 1" in caplog.text, "the failure is said")
        aside.rmdir()
        create(desk, 1, first=1)
        desk.until(lambda: desk.progress().load() == 2, "and later it is saved")
    assert noting.seen == [1, 2]


@pytest.mark.quiet
def test_stopping_an_idle_runner_is_prompt_and_stopping_one_never_started_is_nothing(desk: WiredDesk) -> None:
    desk.runner().stop()
    runner = desk.runner()
    runner.start()
    began = time.monotonic()
    runner.stop()
    runner.stop()
    assert time.monotonic() - began < 0.6


# --- rule 18: never on old events


def exported(desk: WiredDesk, path: Path) -> Path:
    with path.open("w", encoding="utf-8") as lines:
        desk.log.export(lines)
    return path


def old_life(desk: WiredDesk, path: Path) -> Path:
    """An export with a version that a policy would have promoted, had one run."""
    desk.ready(promotion_policy=AUTOMATIC)
    desk.train(rank_ic=0.5)
    return exported(desk, path)


@pytest.mark.parametrize("opened_before", [False, True], ids=["new folder", "folder opened while empty"])
def test_an_imported_log_is_followed_from_its_head(
    desk: WiredDesk, tmp_path_factory: pytest.TempPathFactory, opened_before: bool
) -> None:
    folder = tmp_path_factory.mktemp("imported")
    export = old_life(desk, folder / "export.jsonl")
    desk.clock.move(timedelta(days=1))
    log = open_activity_log(folder / "log.db", desk.clock)
    with log:
        progress = PolicyProgressFile(folder / "policies.json", log, desk.clock)
        if opened_before:
            progress.save(0)
        log.import_from(export)
        head = log.head()
        assert progress.load() is None
    with WiredDesk(folder) as other:
        other.clock.move(timedelta(days=2))
        with other.followed():
            pass
        assert other.progress().load() == other.log.head() == head
        assert other.instance_state().active is None


def test_events_of_a_log_that_was_empty_at_the_start_are_not_old(desk: WiredDesk) -> None:
    desk.progress().save(0)
    desk.clock.move(timedelta(seconds=1))
    create(desk, 2)
    noting = Noting()
    with desk.followed(of_datasets(noting)):
        desk.until(lambda: noting.seen == [1, 2], "recorded after the start, before the end by force")


def test_progress_beyond_the_head_means_an_older_backup_and_begins_at_its_head(desk: WiredDesk) -> None:
    create(desk, 3)
    desk.progress_path.write_text(json.dumps({"position": 9, "event_id": "x", "saved_at_us": 0}))
    noting = Noting()
    with desk.followed(of_datasets(noting)):
        create(desk, 1, first=3)
        desk.until(lambda: noting.seen == [4], "only what is new")


class BareProgress:
    """Progress that knows nothing of its log."""

    def __init__(self, position: int) -> None:
        self.position = position

    def load(self) -> int:
        return self.position

    def save(self, position: int) -> None:
        self.position = position


def test_the_runner_itself_begins_at_the_head_if_progress_is_beyond_it(desk: WiredDesk) -> None:
    create(desk, 3)
    progress = BareProgress(9)
    runner = PolicyRunner(POLICIES, desk.policies(), progress)
    runner.start()
    runner.stop()
    assert progress.position == 3


def test_a_restored_log_that_went_another_way_is_followed_from_its_head(desk: WiredDesk) -> None:
    create(desk, 3)
    desk.progress_path.write_text(json.dumps({"position": 2, "event_id": "of another log"}))
    assert desk.progress().load() is None
    desk.progress().save(2)
    assert desk.progress().load() == 2


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"position": "x"}', b'{"position": -1}', b"{}", b"\xff\xfe", b"null"]
)
def test_a_damaged_progress_file_is_named_with_its_remedy(desk: WiredDesk, content: bytes) -> None:
    desk.progress_path.write_bytes(content)
    with pytest.raises(PolicyProgressUnreadable) as caught:
        desk.runner().start()
    assert str(desk.progress_path) in caught.value.detail
    assert caught.value.code == "policy_progress.unreadable"
    assert "delete it" in caught.value.remedy
    desk.progress_path.unlink()
    with desk.followed():
        pass
