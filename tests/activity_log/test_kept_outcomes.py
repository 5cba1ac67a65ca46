"""Outcomes without events are kept 30 days at least; those with events as long as the log."""

from datetime import timedelta

import pytest

from infrastructure.activity_log import open_activity_log
from tests.activity_log.scenes import START, TickingClock, envelope, uid, write


def test_old_refusals_are_forgotten_and_young_ones_and_events_are_not(log, clock):
    log.refuse(envelope("old"), "a.b", "no", {})
    log.append(envelope("events"), [write()])
    clock.set(START + timedelta(days=20))
    log.append(envelope("young"), [])
    clock.set(START + timedelta(days=31))
    assert log.forget_outcomes() == 1
    known = {name: log.outcome("acme", uid(name)) is not None for name in ("old", "young", "events")}
    assert known == {"old": False, "young": True, "events": True}


def test_an_opening_forgets_what_is_old(log_path):
    with open_activity_log(log_path, TickingClock()) as log:
        log.refuse(envelope("old"), "a.b", "no", {})
    with open_activity_log(log_path, TickingClock(START + timedelta(days=29))) as log:
        assert log.outcome("acme", uid("old")) is not None
    with open_activity_log(log_path, TickingClock(START + timedelta(days=31))) as log:
        assert log.outcome("acme", uid("old")) is None


def test_nobody_may_forget_sooner(log):
    with pytest.raises(ValueError, match="30 days"):
        log.forget_outcomes(29)


def test_closing_the_log_wakes_who_waits_for_it(log):
    log.close()
    assert log.wait_beyond(0, 30.0) == 0
