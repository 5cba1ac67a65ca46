"""Each sandbox level is tried before it is believed, and none stands in for another."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from infrastructure.processes import sandbox_levels
from infrastructure.processes.child import environment
from infrastructure.processes.output_log import OutputLog
from infrastructure.processes.sandbox import Limits, Program, Sandbox, SandboxedChild
from infrastructure.processes.sandbox_bubblewrap import bubblewrap_arguments
from infrastructure.processes.sandbox_levels import (
    Probed,
    SandboxLevelUnavailable,
    is_at_least,
    open_sandbox,
    probe,
)
from infrastructure.processes.sandbox_view import View, view_of
from tests.support.processes import wait_until

PYTHON = Path(sys.executable)


def ran(folder: Path, sandbox: Sandbox, code: str, **limits: int) -> tuple[int | None, str, SandboxedChild]:
    """Exit code and output of a few lines of Python."""
    home = folder / "home"
    home.mkdir()
    child = sandbox.start(
        Program(
            python=PYTHON,
            arguments=["-P", "-s", "-c", code],
            cwd=home,
            env=environment(home, 0),
            scratch=folder,
            writable=(home,),
            limits=dataclasses.replace(Limits(), **limits),
        )
    )
    log = OutputLog(folder / "log")
    try:
        log.follow(child.output)
        code_of_end = child.wait(90)
    finally:
        child.close()
        log.finish()
    return code_of_end, log.path.read_text(), child


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_a_level_that_works_says_so(level: sandbox_levels.Level) -> None:
    assert probe(level) == Probed(level, works=True, detail="works")


def test_a_level_whose_program_is_not_there_says_why() -> None:
    assert not probe("L3").works
    assert "not installed" in probe("L3").detail
    assert "No such file" in probe("L3", Path("/nowhere/bwrap")).detail


def test_auto_takes_the_strongest_and_a_named_level_is_never_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    works = {"L1": True, "L2": True, "L3": False}
    monkeypatch.setattr(sandbox_levels, "probed", lambda level: Probed(level, works[level], "no"))
    assert open_sandbox("auto", ()).level == "L2"
    assert open_sandbox("L1", ()).level == "L1"
    with pytest.raises(SandboxLevelUnavailable, match="L3: no"):
        open_sandbox("L3", ())


def test_levels_are_ordered_and_an_unknown_one_is_the_weakest() -> None:
    assert is_at_least("L2", "L2")
    assert is_at_least("L3", "L2")
    assert not is_at_least("L1", "L2")
    assert not is_at_least("L9", "L1")


@pytest.mark.parametrize("level", ["L1", "L2"])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import ctypes; ctypes.string_at(0)", -11),
    ],
)
def test_exit_codes_and_signals_come_through(
    tmp_path: Path, level: sandbox_levels.Level, code: str, expected: int
) -> None:
    assert ran(tmp_path, Sandbox(level), code)[0] == expected


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_a_program_that_is_not_there_is_a_refusal_not_an_exit_code(
    tmp_path: Path, level: sandbox_levels.Level
) -> None:
    program = Program(
        python=PYTHON, arguments=[], cwd=tmp_path, env={}, scratch=tmp_path, writable=(tmp_path / "gone",)
    )
    spec = {
        "command": ["/nowhere"],
        "env": {},
        "cwd": str(tmp_path),
        "parent_settings": [],
        "watched": [],
        "filter": "none",
    }
    namespaces = (
        None if level == "L1" else Sandbox("L2").namespaces(dataclasses.replace(program, writable=()))
    )
    spec |= {"namespaces": namespaces, "limits": dataclasses.asdict(Limits())}
    child = SandboxedChild(spec, cwd=tmp_path, task=b"", level=level)
    try:
        assert child.wait(20) == 70
        assert "No such file" in (child.refusal or "")
    finally:
        child.close()
        child.output.close()


def test_a_program_inside_l2_sees_its_own_processes_no_network_and_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "log.sqlite").write_text("secret")
    code = f"""
import os, socket
print(sorted(int(one) for one in os.listdir("/proc") if one.isdecimal()))
print([name for _, name in socket.if_nameindex()], os.listdir({str(tmp_path)!r}))
print(os.path.exists(os.path.expanduser("~root/.bashrc")), sorted(os.listdir("/tmp"))[:1])
try:
    import infrastructure.settings
except ImportError as error:
    print(error)
print(open("/proc/self/status").read().split("CapEff:")[1].split()[0])
"""
    _, printed, _ = ran(tmp_path, Sandbox("L2", (tmp_path,)), code)
    lines = printed.splitlines()
    assert lines[0] == "[1, 2]"
    assert lines[1] == "['lo'] ['home']"
    assert lines[2].startswith("False")
    assert "infrastructure" in lines[3]
    assert lines[4] == "0" * 16


ARGUMENTS = """
/bin/bwrap --unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv --symlink usr/lib /lib
--ro-bind /usr /usr --ro-bind /venv /venv --tmpfs /venv/data --size 268435456 --tmpfs /tmp --proc /proc
--dev /dev --bind /venv/data/runs/1/work /venv/data/runs/1/work
--ro-bind /venv/data/runs/1/package /venv/data/runs/1/package --setenv TZ UTC
--chdir /venv/data/runs/1/work -- python -c pass
"""


def test_bubblewrap_gets_nothing_but_the_view() -> None:
    view = View(
        read_only=("/usr", "/venv"),
        hidden=("/venv/data",),
        links={"/lib": "usr/lib"},
        writable=("/venv/data/runs/1/work",),
        late=("/venv/data/runs/1/package",),
    )
    command = ["python", "-c", "pass"]
    work = Path("/venv/data/runs/1/work")
    assert bubblewrap_arguments(Path("/bin/bwrap"), view, command, {"TZ": "UTC"}, work) == ARGUMENTS.split()


def test_the_view_hides_the_data_folder_only_where_something_shown_holds_it(tmp_path: Path) -> None:
    beside = view_of(PYTHON, hidden=(tmp_path,), writable=(), late=())
    inside = view_of(PYTHON, hidden=(Path(sys.prefix) / "data",), writable=(), late=())
    assert str(tmp_path) not in beside.hidden
    assert str(Path(sys.prefix) / "data") in inside.hidden
    assert not any(str(Path.home()) == one for one in beside.read_only)


NAMELESS = """
import os, tempfile, time
held = [tempfile.TemporaryFile(dir=".") for _ in range(20)]
held.append(open("named", "wb"))
os.unlink("named")
for file in held:
    file.write(b"x" * (2 << 20))
    file.flush()
time.sleep(60)
"""


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_where_memory_is_short_the_kernel_ends_it_first(tmp_path: Path, level: sandbox_levels.Level) -> None:
    _, printed, _ = ran(tmp_path, Sandbox(level), "print(open('/proc/self/oom_score_adj').read())")
    assert printed.strip() == "1000"


@pytest.mark.parametrize("level", ["L1", "L2"])
@pytest.mark.parametrize(
    ("code", "limits", "excess"),
    [
        (
            "import os, time\nfor _ in range(60): os.fork() or time.sleep(60)\ntime.sleep(60)",
            {"processes": 20},
            "processes",
        ),
        (
            "import mmap\nheld = mmap.mmap(-1, 300 << 20)\nwhile True: held.write(b'x' * 4096)",
            {"memory_bytes": 200 << 20},
            "memory",
        ),
        ("for n in range(10**6): open(str(n), 'wb').write(b'x' * 999_999)", {"disk_bytes": 30 << 20}, "disk"),
        ("for n in range(10**6): open(str(n), 'wb').close()", {"files": 500}, "disk"),
        (NAMELESS, {"disk_bytes": 30 << 20}, "disk"),
        ("import time\ntime.sleep(60)", {"disk_free_bytes": 1 << 60}, "disk_full"),
    ],
)
def test_what_all_processes_take_together_is_bounded(
    tmp_path: Path, level: sandbox_levels.Level, code: str, limits: dict[str, int], excess: str
) -> None:
    ended, _, child = ran(tmp_path, Sandbox(level), code, **limits)
    assert (ended, child.stopped) == (-9, excess)


ESCAPE = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("escaped", "w").write("x")
        while True:
            open("beat", "a").write("x")
            time.sleep(0.01)
    os._exit(0)
while not os.path.exists("beat"):
    time.sleep(0.01)
"""


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_a_grandchild_in_another_session_ends_with_its_program(
    tmp_path: Path, level: sandbox_levels.Level
) -> None:
    assert ran(tmp_path, Sandbox(level), ESCAPE)[0] == 0
    assert processes_in(tmp_path / "home") == []


def processes_in(folder: Path) -> list[str]:
    """Processes whose working folder it is."""
    found: list[str] = []
    for one in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found += [str(one)] if one.readlink() == folder else []
        except OSError:  # it ended meanwhile
            continue
    return found


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_everything_ends_with_a_service_that_is_killed(tmp_path: Path, level: sandbox_levels.Level) -> None:
    script = f"""
import os, signal, time
from pathlib import Path
from infrastructure.processes.sandbox import Program, Sandbox
from tests.execution.test_sandbox_levels import PYTHON
folder = Path({str(tmp_path)!r}) / "home"
code = "import os, time\\nif os.fork() == 0: os.setsid()\\nopen('up', 'a').write('x')\\ntime.sleep(600)"
program = Program(
    python=PYTHON, arguments=["-c", code], cwd=folder, env={{}}, scratch=folder.parent, writable=(folder,)
)
child = Sandbox({level!r}).start(program)
up = folder / "up"
while not up.exists() or up.stat().st_size < 2:
    os.sched_yield()
os.kill(os.getpid(), signal.SIGKILL)
"""
    (tmp_path / "home").mkdir()
    repository = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", script], cwd=repository, timeout=60, check=False)
    assert ended.returncode == -9
    wait_until(lambda: processes_in(tmp_path / "home") == [], "processes of a killed service are left")
