"""What the end of a process in its sandbox means for its run."""

import dataclasses
import signal

import pytest

from domain.shared.errors import RuleBroken
from infrastructure.execution.ending import Ending, failure_of
from infrastructure.execution.errors import (
    RunDiskFull,
    RunDiskLimit,
    RunMemoryLimit,
    RunProcessLimit,
    RunTimeLimit,
)
from infrastructure.processes.sandbox import SandboxFailed
from infrastructure.processes.sandbox_watch import Excess

KILLED = Ending(stop=None, exit_code=-9, told=None, has_results=False, last_lines="")


@pytest.mark.parametrize(
    ("excess", "broken"),
    [
        ("processes", RunProcessLimit),
        ("memory", RunMemoryLimit),
        ("disk", RunDiskLimit),
        ("disk_full", RunDiskFull),
    ],
)
def test_what_was_taken_too_much_of_is_named(excess: Excess, broken: type[RuleBroken]) -> None:
    assert isinstance(failure_of(dataclasses.replace(KILLED, excess=excess)), broken)


def test_a_run_whose_sandbox_could_not_be_made_did_not_fail_by_itself() -> None:
    failure = failure_of(dataclasses.replace(KILLED, refusal="unshare: Operation not permitted"))
    assert isinstance(failure, SandboxFailed)
    assert "Operation not permitted" in failure.detail


@pytest.mark.parametrize(
    ("ended_by", "broken"), [(signal.SIGXCPU, RunTimeLimit), (signal.SIGXFSZ, RunDiskLimit)]
)
def test_the_kernels_own_limits_have_names_too(ended_by: signal.Signals, broken: type[RuleBroken]) -> None:
    assert isinstance(failure_of(dataclasses.replace(KILLED, exit_code=-ended_by)), broken)


def test_a_refusal_of_a_sandbox_tells_what_was_printed_of_it() -> None:
    ending = dataclasses.replace(KILLED, refusal="did not start", last_lines="bwrap: no such option")
    failure = failure_of(ending)
    assert failure is not None
    assert "no such option" in failure.detail
