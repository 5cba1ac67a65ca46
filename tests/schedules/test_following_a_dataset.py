"""Runs after a new version of a dataset: one a version, at its knowledge high-water."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from application.policies.following import follow_version
from domain.dataset.events import DatasetVersionWritten
from domain.model_instance.specification import Schedule
from infrastructure.bootstrap import open_service
from infrastructure.settings import Settings
from tests.schedules.slot_desk import SlotDesk
from tests.support.desk import created, prices
from tests.wiring.wired_desk import WiredDesk

AFTER_PRICES = Schedule(kind="training", after_dataset="us-prices")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[SlotDesk]:
    with SlotDesk(tmp_path) as opened:
        yield opened


def follow(desk: SlotDesk) -> None:
    for recorded in desk.since(0):
        if isinstance(recorded.event, DatasetVersionWritten):
            follow_version(recorded, desk.policies())


def test_a_new_version_is_followed_once_by_what_stood_then(desk: SlotDesk) -> None:
    desk.ready(schedules=(AFTER_PRICES,))
    desk.upload(prices(1, first=2))
    desk.send(created("late", schedules=(AFTER_PRICES,)))
    follow(desk)
    follow(desk)
    (run,) = desk.submitted()
    (written,) = [one for one in desk.since(0) if isinstance(one.event, DatasetVersionWritten)][1:]
    assert (run.instance, run.trigger) == ("spx-alpha", "schedule:us-prices@2")
    assert isinstance(written.event, DatasetVersionWritten)
    assert run.as_of == written.event.facts.knowledge_last
    (submitted,) = [one for one in desk.since(0) if one.event == run]
    assert submitted.correlation_id == written.correlation_id
    assert submitted.causation_id == written.event_id


def test_a_follower_that_is_refused_skips_its_slot(desk: SlotDesk) -> None:
    desk.ready(schedules=(Schedule(kind="inference", after_dataset="us-prices"),))
    desk.clock.move(timedelta(minutes=1))
    desk.upload(prices(1, first=2))
    follow(desk)
    follow(desk)
    assert [skip.cause for skip in desk.skipped()] == ["instance.no_active_version"]


def test_the_policies_follow_through_the_views(tmp_path: Path) -> None:
    with WiredDesk(tmp_path) as desk:
        desk.ready(schedules=(AFTER_PRICES,))
        desk.instance("other")
        with desk.followed():
            desk.upload(prices(1, first=2))
            desk.until(lambda: "training_run.submitted" in _actions(desk), "the run that follows")
        assert _actions(desk).count("training_run.submitted") == 1


def _actions(desk: WiredDesk) -> list[str]:
    return [one.action for one in desk.since(0)]


def test_the_embedded_service_keeps_where_its_schedules_are(tmp_path: Path) -> None:
    open_service(Settings(data=tmp_path, run_slots=0)).close()
    assert (tmp_path / "schedules.json").is_file()
