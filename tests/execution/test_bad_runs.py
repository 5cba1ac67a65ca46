"""Runs that crash, hang, flood, eat memory or are killed end with their reason and leave nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.run.commands import CompleteRun, FailRun
from infrastructure.execution import LocalExecutor
from infrastructure.execution.ending import Ending, failure_of
from infrastructure.processes.output_log import OutputLog
from tests.execution.definition_packages import with_fit
from tests.execution.work_desk import Desk

HANG = "import time\nprint('hanging', flush=True)\ntime.sleep(600)"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@contextmanager
def running(desk: Desk, **settings: Any) -> Iterator[LocalExecutor]:
    executor = desk.executor(**settings)
    executor.start()
    try:
        yield executor
    finally:
        executor.close()


def failure(desk: Desk, lines: str, lease_s: float = 60.0, **limits: Any) -> FailRun:
    """How a run fails whose `fit` begins with these lines."""
    run = desk.submit(1, desk.package("bad", with_fit(lines)), **limits)
    with running(desk, lease_s=lease_s) as executor:
        desk.wait(lambda: run in desk.failed or run in desk.completed)
        assert executor.wait_idle(30)
    assert not desk.completed
    assert list((desk.root / "runs").iterdir()) == []
    return desk.failed[run]


def printed(desk: Desk, failed: FailRun) -> str:
    return desk.artifacts.get(failed.log_sha256 or "").decode()


def wait_for_output(executor: LocalExecutor, run: str, word: str) -> Path:
    """Until the run printed a word (watched from outside: the file is what users see while it runs)."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        path = executor.log_path(run)
        if path is not None and path.exists() and word in path.read_text():
            return path
        os.sched_yield()
    raise AssertionError(f"{word!r} was never printed")


def test_an_exception_fails_the_run_with_its_last_lines_and_keeps_the_log(desk: Desk) -> None:
    failed = failure(desk, "print('before')\nraise RuntimeError('the spoon')")
    assert failed.code == "run.crashed"
    assert "the spoon" in failed.message
    assert "before" in printed(desk, failed)


def test_a_segmentation_fault_is_a_crash_with_its_signal(desk: Desk) -> None:
    failed = failure(desk, "import ctypes\nctypes.string_at(0)")
    assert failed.code == "run.crashed"
    assert "SIGSEGV" in failed.message


def test_leaving_early_with_exit_code_zero_is_no_result(desk: Desk) -> None:
    failed = failure(desk, "import os\nos._exit(0)")
    assert failed.code == "run.crashed"
    assert "without handing over results" in failed.message


def test_results_handed_over_by_a_process_that_then_crashes_do_not_count(desk: Desk) -> None:
    lines = """
import os
from optaic.mlops.runner.connection import connect
connect().complete({"corr": 0.99}, {})
os._exit(3)
"""
    assert failure(desk, lines).code == "run.crashed"


def test_a_forged_failure_code_is_not_believed(desk: Desk) -> None:
    lines = """
import os
from optaic.mlops.runner.connection import connect
connect().fail("run.everything_is_fine", "x")
os._exit(1)
"""
    assert failure(desk, lines).code == "run.crashed"


def test_a_run_outlives_its_time_limit_and_is_ended(desk: Desk) -> None:
    assert failure(desk, HANG, time_s=3).code == "run.time_limit"


def test_a_stopped_process_loses_its_lease(desk: Desk) -> None:
    failed = failure(desk, "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", lease_s=2.0)
    assert failed.code == "run.lease_expired"


def test_a_run_that_computes_longer_than_its_lease_keeps_it(desk: Desk) -> None:
    run = desk.submit(1, desk.package("slow", with_fit("import time\nif len(target) > 50: time.sleep(0.02)")))
    with running(desk, lease_s=20.0):
        desk.wait(lambda: run in desk.completed or run in desk.failed)
    assert run in desk.completed


def test_a_run_that_eats_memory_is_told_so(desk: Desk) -> None:
    failed = failure(desk, "rows = np.ones((1 << 29,))", memory_mib=1024)
    assert failed.code == "run.memory_limit"


def test_memory_that_a_library_cannot_get_is_told_so_too(desk: Desk) -> None:
    failed = failure(desk, "held = [bytearray(1 << 24) for _ in range(1000)]", memory_mib=768)
    assert failed.code == "run.memory_limit"


def test_a_panic_over_what_a_run_handed_in_fails_the_run_and_frees_its_slot(desk: Desk) -> None:
    class PanicOfALibrary(BaseException):
        """Not an Exception, as those of Rust are not."""

    def panic(command: CompleteRun) -> None:
        raise PanicOfALibrary(command.run_id)

    desk.complete = panic
    run = desk.submit(1, desk.package("good"))
    with running(desk) as executor:
        desk.wait(lambda: run in desk.failed)
        assert executor.wait_idle(30)
    assert desk.failed[run].code == "run.crashed"
    assert "could not run it" in desk.failed[run].message


def test_a_killed_process_is_a_killed_run(desk: Desk) -> None:
    failed = failure(desk, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert failed.code == "run.killed"


def test_a_flood_of_output_fills_neither_memory_nor_disk(desk: Desk) -> None:
    lines = """
import os
for _ in range(600):
    os.write(1, b'x' * 99_999 + b'\\n')
print('the end')
raise SystemExit(9)
"""
    failed = failure(desk, lines)
    log = printed(desk, failed)
    assert len(log) < 10.6 * 1024 * 1024
    assert "bytes left out" in log
    assert "the end" in log


def test_grandchildren_end_with_the_run(desk: Desk) -> None:
    lines = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("grandchild", child.pid, flush=True)
raise SystemExit(4)
"""
    failed = failure(desk, lines)
    pid = int(printed(desk, failed).split("grandchild ")[1].split()[0])
    with pytest.raises(ProcessLookupError):
        _signal_zero_until_gone(pid)


def _signal_zero_until_gone(pid: int) -> None:
    """SIGKILL was sent; a zombie without a reaper counts as gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        os.kill(pid, 0)
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            raise ProcessLookupError
        os.sched_yield()


def test_a_cancelled_run_dies_and_says_nothing_more(desk: Desk) -> None:
    run = desk.submit(1, desk.package("bad", with_fit(HANG)))
    with running(desk) as executor:
        wait_for_output(executor, run, "hanging")
        desk.cancelled.add(run)
        executor.kill(run)
        assert executor.wait_idle(30)
    assert not desk.failed
    assert not desk.completed


def test_closing_the_executor_fails_what_runs(desk: Desk) -> None:
    run = desk.submit(1, desk.package("bad", with_fit(HANG)))
    with running(desk) as executor:
        wait_for_output(executor, run, "hanging")
    assert desk.failed[run].code == "run.worker_lost"


def test_runs_of_a_former_life_fail_at_the_start(desk: Desk) -> None:
    desk.running = ["01920000-0000-7000-8000-000000000009"]
    with running(desk):
        assert desk.failed[desk.running[0]].code == "run.worker_lost"


def test_no_more_runs_at_once_than_there_are_slots(desk: Desk) -> None:
    manifest = desk.package("bad", with_fit(HANG))
    runs = [desk.submit(number, manifest) for number in (1, 2, 3)]
    with running(desk, slots=2) as executor:
        for run in runs[:2]:
            wait_for_output(executor, run, "hanging")
        executor.wake()
        assert [run for run, _ in desk.started] == runs[:2]
        executor.kill(runs[0])
        desk.wait(lambda: len(desk.started) == 3)
        wait_for_output(executor, runs[2], "hanging")


def test_processes_die_with_the_service_even_when_it_is_killed(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from tests.execution.work_desk import Desk
from tests.execution.test_bad_runs import HANG, wait_for_output
from tests.execution.definition_packages import with_fit
desk = Desk(Path({str(tmp_path)!r}))
lines = "import os\\nprint('pid', os.getpid(), flush=True)\\n" + HANG
run = desk.submit(1, desk.package("bad", with_fit(lines)))
executor = desk.executor()
executor.start()
path = wait_for_output(executor, run, "hanging")
print(path.read_text(), flush=True)
time.sleep(600)
"""
    repository = Path(__file__).parents[2]
    service = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=repository
    )
    try:
        assert service.stdout is not None
        pid = int(next(line for line in service.stdout if line.startswith("pid")).split()[1])
        os.kill(pid, 0)
    finally:
        service.send_signal(signal.SIGKILL)
        service.communicate()
    with pytest.raises(ProcessLookupError):
        _signal_zero_until_gone(pid)


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (Ending(0, None, None, True, ""), None),
        (Ending(0, None, None, False, ""), "run.crashed"),
        (Ending(-9, "cancelled", None, True, ""), "run.worker_lost"),
        (Ending(-9, "lease", None, True, ""), "run.lease_expired"),
        (Ending(-9, "time", None, True, ""), "run.time_limit"),
        (Ending(-9, None, None, True, ""), "run.killed"),
        (Ending(-40, None, None, True, ""), "run.crashed"),
        (Ending(-6, None, None, False, "memory allocation of 8 bytes failed"), "run.memory_limit"),
        (Ending(1, None, None, False, "what():  std::bad_alloc"), "run.memory_limit"),
        (Ending(1, None, ("pit.input_not_declared", "x"), False, ""), "pit.input_not_declared"),
        (Ending(0, None, ("run.nothing_to_train", "x"), True, ""), "run.nothing_to_train"),
        (Ending(1, None, ("no.such_code", "x"), True, ""), "run.crashed"),
    ],
)
def test_an_ending_is_judged_by_its_facts(ending: Ending, code: str | None) -> None:
    found = failure_of(ending)
    assert (found.code if found else None) == code


def test_the_log_of_little_output_is_that_output(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one\ntwo\n")
    os.close(writing)
    log = OutputLog(tmp_path / "log", 4, 100)
    log.follow(os.fdopen(reading, "rb"))
    log.finish()
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert log.last_lines(1) == "two"
