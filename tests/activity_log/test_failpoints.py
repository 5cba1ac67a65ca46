"""Failpoints do nothing unless they are named, and a name that does not exist is an error."""

import pytest

from infrastructure.failpoints import NAMES, FailpointUnknown, hit, parse


def test_a_failpoint_that_nobody_named_does_nothing():
    for name in NAMES:
        hit(name)


def test_the_setting_names_places_and_the_hit_that_kills():
    assert parse("log.before_commit=kill, log.after_commit=kill@3") == {
        "log.before_commit": 1,
        "log.after_commit": 3,
    }
    assert parse("") == {}


@pytest.mark.parametrize("setting", ["log.nowhere=kill", "log.before_commit", "log.before_commit=sleep",
                                     "log.before_commit=kill@0", "log.before_commit=kill@x"])  # fmt: skip
def test_a_setting_that_means_nothing_is_refused(setting):
    with pytest.raises(FailpointUnknown):
        parse(setting)
