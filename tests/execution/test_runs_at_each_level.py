"""Runs do the same at each sandbox level, and end in the same way; the level is in what is recorded."""

import socket
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from domain.run.pins import DateRange
from infrastructure.processes.sandbox import Level, Limits
from tests.execution.definition_packages import with_fit
from tests.execution.test_bad_runs import HANG, printed, running, wait_for_output
from tests.execution.test_local_runs import IN_RUN
from tests.execution.test_sandbox_levels import processes_in
from tests.execution.work_desk import Desk
from tests.support.processes import wait_until
from tests.support.sandboxes import LEVELS, STRONG, sandbox_of


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("level", LEVELS)
def test_a_training_and_its_inference_hand_over_what_they_made(desk: Desk, level: Level) -> None:
    manifest = desk.package("talking", with_fit(IN_RUN.replace("2024, 3, 20", "2024, 3, 1")))
    with running(desk, sandbox=sandbox_of(level, desk.root)) as executor:
        training = desk.submit(1, manifest, as_of=datetime(2024, 3, 1, 22, tzinfo=UTC))
        executor.wake()
        desk.wait(lambda: training in desk.completed or training in desk.failed)
        assert not desk.failed
        model = desk.model(training)
        decisions = DateRange(first=date(2024, 3, 4), last=date(2024, 3, 8))
        inference = desk.submit(2, manifest, "inference", model=model, decisions=decisions)
        executor.wake()
        desk.wait(lambda: inference in desk.completed or inference in desk.failed)
        assert executor.wait_idle(30)
    assert not desk.failed
    assert desk.completed[inference].facts["decisions"] == 5
    assert list((desk.root / "runs").iterdir()) == []


ENDS = {
    "exception": ("raise RuntimeError('the spoon')", "run.crashed", "the spoon"),
    "exit code": ("import os\nos._exit(9)", "run.crashed", "exit code 9"),
    "exit code of a shell": ("import os\nos._exit(255)", "run.crashed", "exit code 255"),
    "segmentation fault": ("import ctypes\nctypes.string_at(0)", "run.crashed", "SIGSEGV"),
    "killed": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "run.killed", "SIGKILL"),
    "memory": ("rows = np.ones((1 << 29,))", "run.memory_limit", ""),
    "time": (HANG, "run.time_limit", ""),
    "processor": (
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass",
        "run.time_limit",
        "processor time",
    ),
    "disk": ("for n in range(99):\n    open(str(n), 'wb').write(b'x' * 999_999)", "run.disk_limit", ""),
}
BOUNDS = Limits(disk_bytes=20 << 20)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("level", STRONG)
def test_what_ends_badly_is_named_alike(desk: Desk, level: Level) -> None:
    runs = {
        desk.submit(
            number,
            desk.package(f"bad-{number}", with_fit(lines)),
            time_s=15 if name == "time" else 100,
            memory_mib=1024,
        ): name
        for number, (name, (lines, _, _)) in enumerate(ENDS.items(), 1)
    }
    with running(desk, sandbox=sandbox_of(level, desk.root), limits=BOUNDS) as executor:
        desk.wait(lambda: len(desk.failed) + len(desk.completed) == len(runs), 250)
        assert executor.wait_idle(30)
    found = {name: desk.failed[run].code for run, name in runs.items()}
    assert found == {name: code for name, (_, code, _) in ENDS.items()}
    for run, name in runs.items():
        assert ENDS[name][2] in desk.failed[run].message
    assert list((desk.root / "runs").iterdir()) == []


@pytest.mark.parametrize("level", STRONG)
def test_a_cancelled_run_ends_with_all_that_came_of_it(desk: Desk, level: Level) -> None:
    lines = "import os\nif os.fork() == 0: os.setsid()\n" + HANG
    run = desk.submit(1, desk.package("bad", with_fit(lines)))
    with running(desk, sandbox=sandbox_of(level, desk.root)) as executor:
        wait_for_output(executor, run, "hanging")
        work = desk.root / "runs" / run / "work"
        assert processes_in(work)
        desk.cancelled.add(run)
        executor.kill(run)
        assert executor.wait_idle(30)
    assert not desk.failed
    wait_until(lambda: processes_in(work) == [], "processes of a cancelled run are left")


@pytest.mark.parametrize("level", STRONG)
def test_a_run_reaches_its_own_socket_and_no_other_listener(desk: Desk, level: Level) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lines = f"""
import os, socket
try:
    socket.create_connection(("127.0.0.1", {listener.getsockname()[1]}), 5)
except OSError as refusal:
    print("held", refusal)
run = socket.socket(socket.AF_UNIX)
run.connect(os.environ["OPTAIC_MLOPS_RUN_SOCKET"])
raise SystemExit(4)
"""
        run = desk.submit(1, desk.package("bad", with_fit(lines)))
        with running(desk, sandbox=sandbox_of(level, desk.root)):
            desk.wait(lambda: run in desk.failed)
    assert "held" in printed(desk, desk.failed[run])
    assert "exit code 4" in desk.failed[run].message
