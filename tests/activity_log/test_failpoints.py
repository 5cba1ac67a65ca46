"""Failpoints do nothing unless they are named, and a name that does not exist is an error."""

import signal

import pytest

from infrastructure.failpoints import NAMES, Armed, FailpointUnknown, hit, parse


def test_a_failpoint_that_nobody_named_does_nothing():
    for name in NAMES:
        hit(name)


def test_the_setting_names_places_and_what_happens_at_which_hit():
    assert parse("log.before_commit=kill, log.after_commit=freeze@3") == {
        "log.before_commit": Armed(signal.SIGKILL, 1),
        "log.after_commit": Armed(signal.SIGSTOP, 3),
    }
    assert parse("") == {}


@pytest.mark.parametrize("setting", ["log.nowhere=kill", "log.before_commit", "log.before_commit=sleep",
                                     "log.before_commit=kill@0", "log.before_commit=kill@x"])  # fmt: skip
def test_a_setting_that_means_nothing_is_refused(setting):
    with pytest.raises(FailpointUnknown):
        parse(setting)
