"""The thread ticks on the views and an injected clock."""

from datetime import timedelta
from pathlib import Path

from application.schedules.scheduler import Scheduler
from domain.run.events import RunSubmitted
from infrastructure.schedules.agenda import ViewAgenda
from infrastructure.schedules.progress import SlotProgressFile
from infrastructure.schedules.ticking import Ticking
from tests.schedules.slot_desk import HOURLY
from tests.wiring.wired_desk import WiredDesk


def test_a_cron_schedule_runs_by_an_injected_clock(tmp_path: Path) -> None:
    with WiredDesk(tmp_path) as desk:
        agenda = ViewAgenda(desk.views.projector.store, desk.views.wait)
        progress = SlotProgressFile(tmp_path / "schedules.json", desk.log)
        ticking = Ticking(Scheduler(desk.services, desk.bus, agenda, progress), desk.clock, look_s=0.01)
        ticking.start()
        try:
            desk.ready(schedules=(HOURLY,))
            for count in (1, 2):
                desk.clock.move(timedelta(hours=1))
                desk.until(lambda count=count: _runs(desk) == count, f"slot {count}")
        finally:
            ticking.stop()


def _runs(desk: WiredDesk) -> int:
    return sum(isinstance(one.event, RunSubmitted) for one in desk.since(0))
