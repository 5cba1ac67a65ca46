"""Rule 17: each slot is settled once, whatever ends the scheduler, and none before the log came here."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from domain.dataset.errors import DatasetUnknown
from domain.model_instance.commands import ArchiveInstance, UpdateInstance
from domain.model_instance.errors import (
    InstanceCronInvalid,
    InstanceScheduleCycle,
    InstanceTimezoneUnknown,
)
from domain.model_instance.specification import RunKind, Schedule
from infrastructure.schedules.progress import SlotProgressFile, SlotProgressUnreadable
from tests.schedules.slot_desk import HOURLY, Died, SlotDesk
from tests.support.desk import created


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[SlotDesk]:
    with SlotDesk(tmp_path) as opened:
        yield opened


def test_a_due_slot_is_one_run_as_of_its_time(desk: SlotDesk) -> None:
    scheduler = desk.scheduled()
    desk.pass_time(scheduler, 3)
    scheduler.tick()
    runs = desk.submitted()
    assert len(runs) == 3
    assert all(run.as_of.minute == 0 for run in runs)
    assert [run.trigger for run in runs] == [f"schedule:{run.as_of:%Y-%m-%dT%H:%MZ}" for run in runs]
    assert desk.skipped() == []


def test_nothing_is_due_before_the_scheduler_or_the_schedule_was_there(desk: SlotDesk) -> None:
    desk.ready(schedules=(HOURLY,))
    desk.clock.move(timedelta(days=3))
    scheduler, _ = desk.scheduler()
    scheduler.tick()
    assert desk.submitted() == desk.skipped() == []
    desk.send(created("second", schedules=(HOURLY,)))
    desk.pass_time(scheduler, 1)
    assert {run.instance for run in desk.submitted()} == {"spx-alpha", "second"}
    assert len(desk.submitted()) == 2


def test_a_refusal_is_the_cause_of_a_skipped_slot_and_the_others_go_on(desk: SlotDesk) -> None:
    scheduler = desk.scheduled(HOURLY, Schedule(kind="inference", cron="0 * * * *"))
    desk.pass_time(scheduler, 2)
    assert [skip.cause for skip in desk.skipped()] == ["instance.no_active_version"] * 2
    assert [run.kind for run in desk.submitted()] == ["training"] * 2


@pytest.mark.parametrize(("misfire", "runs"), [("skip", 0), ("run_once", 1), ("catch_up", 5)])
def test_down_time_is_made_up_as_the_schedule_says(desk: SlotDesk, misfire: str, runs: int) -> None:
    desk.scheduled(replace(HOURLY, misfire=misfire))
    start = desk.clock.now()
    desk.clock.move(timedelta(hours=5, minutes=20) - timedelta(minutes=start.minute))
    scheduler, _ = desk.scheduler()
    scheduler.tick()
    assert len(desk.submitted()) == runs
    assert len(desk.skipped()) == 5 - runs


def test_disabled_changed_and_archived_schedules_stop(desk: SlotDesk) -> None:
    scheduler = desk.scheduled()
    desk.pass_time(scheduler, 1)
    desk.send(UpdateInstance(name="spx-alpha", schedules=(replace(HOURLY, enabled=False),)))
    desk.pass_time(scheduler, 2)
    assert len(desk.submitted()) == 1
    desk.send(UpdateInstance(name="spx-alpha", schedules=(HOURLY,)))
    desk.pass_time(scheduler, 1)
    assert len(desk.submitted()) == 2
    desk.send(ArchiveInstance(name="spx-alpha"))
    desk.pass_time(scheduler, 2)
    assert len(desk.submitted()) == 2
    assert desk.skipped() == []


@pytest.mark.parametrize("misfire", ["skip", "run_once", "catch_up"])
def test_killed_at_every_step_no_slot_is_doubled_or_lost(tmp_path: Path, misfire: str) -> None:
    step, died = 0, True
    while died:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        with SlotDesk(folder) as desk:
            desk.scheduled(replace(HOURLY, misfire=misfire), Schedule(kind="inference", cron="30 * * * *"))
            desk.clock.move(timedelta(hours=4))
            scheduler, _ = desk.scheduler(step)
            died = _dies(scheduler)
            desk.clock.move(timedelta(minutes=47))
            again, _ = desk.scheduler()
            again.tick()
            settled = [(run.kind, run.as_of) for run in desk.submitted()]
            settled += [(skip.kind, skip.slot) for skip in desk.skipped()]
            assert len(settled) == len(set(settled)), f"doubled after step {step}"
            assert len({one for one in settled if one[0] == "training"}) in (4, 5)
            first = min(at for _, at in settled)
            hours = int((desk.clock.now() - first) / timedelta(minutes=30)) + 1
            assert len(settled) == hours, f"lost after step {step}"
    assert step > 6


def _dies(scheduler: object) -> bool:
    try:
        scheduler.tick()  # type: ignore[attr-defined]
    except Died:
        return True
    return False


def test_years_pass_quickly_and_miss_no_weekday(desk: SlotDesk) -> None:
    weekly = Schedule(kind="training", cron="30 22 * * 5", timezone="America/New_York")
    scheduler = desk.scheduled(weekly)
    for _ in range(104):
        desk.clock.move(timedelta(days=3.5))
        scheduler.tick()
    assert len(desk.submitted()) + len(desk.skipped()) == 52


def test_a_log_that_went_another_way_or_was_imported_begins_at_now(desk: SlotDesk, tmp_path: Path) -> None:
    progress = SlotProgressFile(tmp_path / "schedules.json", desk.log)
    progress.save(desk.clock.now() - timedelta(days=1), 0)
    desk.clock.move(timedelta(days=-2))
    desk.dataset()
    desk.clock.move(timedelta(days=2))
    assert progress.load() is None
    progress.save(desk.clock.now(), 1)
    assert progress.load() == desk.clock.now()
    progress.save(desk.clock.now(), 99)
    (tmp_path / "schedules.json").write_text('{"settled_us": 1, "position": 1, "event_id": "of another log"}')
    assert progress.load() is None
    (tmp_path / "schedules.json").write_text("{")
    with pytest.raises(SlotProgressUnreadable):
        progress.load()


def test_a_line_or_zone_that_cannot_be_read_is_refused(desk: SlotDesk) -> None:
    desk.ready()
    bad = created("bad", schedules=(Schedule(kind="training", cron="61 * * * *"),))
    desk.refused(InstanceCronInvalid, bad)
    zone = Schedule(kind="training", cron="0 6 * * 1", timezone="Mars/Olympus")
    desk.refused(InstanceTimezoneUnknown, UpdateInstance(name="spx-alpha", schedules=(zone,)))


def after(dataset: str, kind: RunKind = "inference") -> tuple[Schedule, ...]:
    return (Schedule(kind=kind, after_dataset=dataset),)


def test_no_inference_follows_itself_even_through_others(desk: SlotDesk) -> None:
    desk.ready()
    own = UpdateInstance(name="spx-alpha", schedules=after("spx-alpha-predictions"))
    desk.refused(InstanceScheduleCycle, own)
    desk.send(created("second", schedules=after("spx-alpha-predictions")))
    round_about = UpdateInstance(name="spx-alpha", schedules=after("second-predictions"))
    desk.refused(InstanceScheduleCycle, round_about)
    desk.refused(DatasetUnknown, UpdateInstance(name="spx-alpha", schedules=after("nothing")))
    desk.send(UpdateInstance(name="spx-alpha", schedules=after("spx-alpha-predictions", "monitoring")))
