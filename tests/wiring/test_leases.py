"""Rule 12: a run done elsewhere that falls silent fails, and one that nobody starts fails too."""

from datetime import timedelta

import pytest

from domain.run.commands import CancelRun
from domain.run.events import RunFailed
from domain.shared.activity import RecordedEvent
from infrastructure.leases import LEASE, PATIENCE, Leases, LeasesInMemory
from tests.support.desk import TENANT
from tests.wiring.wired_desk import WiredDesk

SECOND = timedelta(seconds=1)


class Watched:
    """Leases whose clock the test moves and whose sweeps it makes."""

    def __init__(self, desk: WiredDesk) -> None:
        self.desk = desk
        self.book = LeasesInMemory(desk.clock)
        self.leases = Leases(desk.bus, desk.queries, desk.log, desk.clock, lambda: (TENANT,), book=self.book)

    def sweep(self, after: timedelta = timedelta(0)) -> list[RecordedEvent]:
        """Let time pass and sweep; what was recorded."""
        self.desk.clock.move(after)
        self.desk.seen()
        head = self.desk.log.head()
        self.leases.sweep()
        return list(self.desk.since(head))


@pytest.fixture
def watched(desk: WiredDesk) -> Watched:
    desk.ready()
    return Watched(desk)


def external(desk: WiredDesk) -> str:
    return desk.start(desk.submit(executor="external"))


def codes(recorded: list[RecordedEvent]) -> list[str]:
    return [one.event.code for one in recorded if isinstance(one.event, RunFailed)]


def test_a_run_that_says_nothing_for_its_lease_fails_in_its_own_workflow(
    desk: WiredDesk, watched: Watched
) -> None:
    run_id = external(desk)
    assert watched.sweep() == []
    assert watched.sweep(LEASE) == []
    (failed,) = watched.sweep(SECOND)
    assert isinstance(failed.event, RunFailed)
    assert (failed.event.run_id, failed.event.code) == (run_id, "run.lease_expired")
    assert "60 s" in failed.event.message
    submitted = next(one for one in desk.since(0) if one.action == "training_run.submitted")
    assert (failed.correlation_id, failed.causation_id) == (submitted.correlation_id, submitted.event_id)
    assert failed.actor.principal == "service:leases"
    assert watched.sweep(SECOND) == []


def test_any_call_of_the_run_renews_its_lease(desk: WiredDesk, watched: Watched) -> None:
    run_id = external(desk)
    for _ in range(5):
        watched.leases.renew(run_id)
        assert watched.sweep(LEASE - SECOND) == []
    assert codes(watched.sweep(2 * SECOND)) == ["run.lease_expired"]


def test_each_run_has_a_lease_of_its_own(desk: WiredDesk, watched: Watched) -> None:
    silent, speaking = external(desk), external(desk)
    watched.sweep()
    watched.sweep(LEASE / 2)
    watched.leases.renew(speaking)
    (failed,) = watched.sweep(LEASE / 2 + SECOND)
    assert isinstance(failed.event, RunFailed)
    assert failed.event.run_id == silent


def test_finished_runs_are_forgotten(desk: WiredDesk, watched: Watched) -> None:
    run_id = external(desk)
    watched.leases.renew(run_id)
    desk.send(desk.completion(run_id))
    assert watched.sweep(2 * LEASE) == []
    assert watched.book.watched() == ()


def test_a_run_of_the_local_executor_has_no_lease_here(desk: WiredDesk, watched: Watched) -> None:
    desk.start(desk.submit())
    watched.sweep()
    assert watched.sweep(2 * LEASE) == []
    assert watched.book.watched() == ()


@pytest.mark.parametrize("executor", ["local", "external"])
def test_a_run_that_nobody_starts_within_a_day_fails(
    desk: WiredDesk, watched: Watched, executor: str
) -> None:
    desk.submit(executor=executor)
    assert watched.sweep(PATIENCE) == []
    assert codes(watched.sweep(SECOND)) == ["run.never_started"]
    assert watched.sweep(SECOND) == []


def test_a_cancelled_run_is_left_alone(desk: WiredDesk, watched: Watched) -> None:
    desk.send(CancelRun(run_id=desk.submit()))
    desk.send(CancelRun(run_id=external(desk)))
    assert watched.sweep(2 * PATIENCE) == []


def test_after_a_restart_a_running_run_has_a_fresh_lease(desk: WiredDesk, watched: Watched) -> None:
    external(desk)
    watched.sweep()
    desk.clock.move(10 * LEASE)
    restarted = Watched(desk)
    assert restarted.sweep() == []
    assert restarted.sweep(LEASE) == []
    assert codes(restarted.sweep(SECOND)) == ["run.lease_expired"]


def test_a_run_that_is_started_amid_the_sweep_goes_on(desk: WiredDesk, watched: Watched) -> None:
    """The views said pending; by the time of the append a worker has it."""
    run_id = desk.submit()
    bus, log = desk.interleaved()
    watched.leases = Leases(bus, desk.queries, desk.log, desk.clock, lambda: (TENANT,))
    log.just_before_append(lambda: desk.start(run_id))
    assert [one.action for one in watched.sweep(PATIENCE + SECOND)] == ["training_run.started"]
    assert desk.run_state(run_id).status == "running"


def test_a_run_that_ends_amid_the_sweep_ends_once_and_the_next_is_still_looked_at(
    desk: WiredDesk, watched: Watched
) -> None:
    first, second = external(desk), external(desk)
    bus, log = desk.interleaved()
    watched.leases = Leases(bus, desk.queries, desk.log, desk.clock, lambda: (TENANT,))
    watched.sweep()
    log.just_before_append(lambda: [desk.send(CancelRun(run_id=each)) for each in (first,)])
    recorded = watched.sweep(LEASE + SECOND)
    statuses = [desk.run_state(each).status for each in (first, second)]
    assert statuses == ["cancelled", "failed"]
    assert codes(recorded) == ["run.lease_expired"]


def test_closing_a_watch_that_never_began_is_nothing_and_a_begun_one_ends_promptly(
    watched: Watched,
) -> None:
    watched.leases.close()
    other = Watched(watched.desk)
    other.leases.start()
    other.leases.close()
    other.leases.close()
