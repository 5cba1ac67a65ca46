"""Each sandbox level is tried before it is believed, and none stands in for another."""

import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from infrastructure.processes import sandbox_levels
from infrastructure.processes.child import environment
from infrastructure.processes.output_log import OutputLog
from infrastructure.processes.sandbox import Level, Limits, Program, Sandbox, SandboxedChild
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
from tests.support.sandboxes import LEVELS, STRONG, bubblewrap, sandbox_of

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


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_that_works_says_so(level: Level) -> None:
    assert probe(level, bubblewrap()) == Probed(level, works=True, detail="works")


def test_a_level_whose_program_is_not_there_says_why() -> None:
    assert not probe("L3").works
    assert "not installed" in probe("L3").detail
    assert "No such file" in probe("L3", Path("/nowhere/bwrap")).detail


def test_auto_takes_the_strongest_and_a_named_level_is_never_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    works = {"L1": True, "L2": True, "L3": True}
    monkeypatch.setattr(sandbox_levels, "probed", lambda level: Probed(level, works[level], "no"))
    assert open_sandbox("auto", ()).level == "L3"
    works["L3"] = False
    assert open_sandbox("auto", ()).level == "L2"
    assert open_sandbox("L1", ()).level == "L1"
    with pytest.raises(SandboxLevelUnavailable, match="L3: no"):
        open_sandbox("L3", ())


def test_levels_are_ordered_and_an_unknown_one_is_the_weakest() -> None:
    assert is_at_least("L2", "L2")
    assert is_at_least("L3", "L2")
    assert not is_at_least("L1", "L2")
    assert not is_at_least("L9", "L1")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(3)", 3),
        ("raise SystemExit(255)", 255),
        ("import os; os.kill(os.getpid(), 40)", -40),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import ctypes; ctypes.string_at(0)", -11),
    ],
)
def test_exit_codes_and_signals_come_through(tmp_path: Path, level: Level, code: str, expected: int) -> None:
    assert ran(tmp_path, sandbox_of(level), code)[0] == expected


@pytest.mark.parametrize("level", LEVELS)
def test_a_program_that_is_not_there_is_a_refusal_not_an_exit_code(tmp_path: Path, level: Level) -> None:
    sandbox, command = sandbox_of(level), ["/nowhere"]
    program = Program(python=PYTHON, arguments=[], cwd=tmp_path, env={}, scratch=tmp_path)
    if level == "L3":
        view = view_of(PYTHON, hidden=(), writable=(tmp_path,), late=())
        command = bubblewrap_arguments(bubblewrap(), view, command, {}, tmp_path)
    spec = {
        "command": command,
        "env": {},
        "cwd": str(tmp_path),
        "parent_settings": [],
        "watched": [],
        "bubblewrap": level == "L3",
        "namespaces": sandbox.namespaces(program) if level == "L2" else None,
        "limits": dataclasses.asdict(Limits()),
    }
    child = SandboxedChild(spec, cwd=tmp_path, task=b"")
    try:
        assert child.wait(20) == 70
        assert ("did not start" if level == "L3" else "No such file") in (child.refusal or "")
    finally:
        child.close()
        child.output.close()


@pytest.mark.parametrize("level", STRONG)
def test_a_program_sees_its_own_processes_no_network_and_nothing_of_ours(
    tmp_path: Path, level: Level
) -> None:
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
print(open("/proc/self/limits").read().split("Max processes")[1].split()[:2])
"""
    lines = printed(tmp_path, code, level).splitlines()
    assert lines[0] == "[1, 2]"
    assert lines[1] == "['lo'] ['home']"
    assert lines[2].startswith("False")
    assert "infrastructure" in lines[3]
    assert lines[4] == "0" * 16
    assert lines[5] == "['512', '512']"


def printed(folder: Path, code: str, level: Level) -> str:
    """What a program printed at a level where it does not see the folder; it must have ended well."""
    ended, text, _ = ran(folder, sandbox_of(level, folder), code)
    assert ended == 0, text
    return text


DEVICES = """
import os
for name in ("null", "zero", "full", "random", "urandom"):
    path = "/dev/" + name
    mode = os.stat(path).st_mode & 0o7777
    for change in (lambda: os.chmod(path, mode), lambda: os.utime(path), lambda: os.chown(path, 0, 0)):
        try:
            change()
        except OSError as refusal:
            assert refusal.errno in (1, 30), refusal
        else:
            print("changed", path)
    open(path, "wb").close()
open("/dev/null", "wb").write(b"x")
assert open("/dev/zero", "rb").read(1) == b"\\0"
open("/dev/shm/x", "w").close()
print("done")
"""


@pytest.mark.parametrize("level", STRONG)
def test_devices_can_be_used_and_not_changed_not_even_by_root_who_owns_them(
    tmp_path: Path, level: Level
) -> None:
    assert printed(tmp_path, DEVICES, level) == "done\n"


MEMORY_FILES = """
import os
for folder in ("/", "/dev", "/proc", "/tmp", "/dev/shm", {hidden!r}):
    try:
        with open(folder + "/large", "wb") as file:
            for _ in range(300):
                file.write(b"x" * (1 << 20))
    except OSError as refusal:
        os.path.exists(folder + "/large") and os.unlink(folder + "/large")
    else:
        print("too much", folder)
print("done")
"""


@pytest.mark.parametrize("level", STRONG)
def test_the_folder_of_a_program_may_lie_in_shared_memory(level: Level) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # where the folder may lie
        assert (
            printed(Path(folder).resolve(), "open('x', 'w').close(); print('written')", level) == "written\n"
        )


@pytest.mark.parametrize("level", STRONG)
def test_no_folder_that_lies_in_memory_is_without_a_bound(tmp_path: Path, level: Level) -> None:
    hidden = Path(sys.prefix, "share")
    assert (
        printed_with(tmp_path, MEMORY_FILES.format(hidden=str(hidden)), sandbox_of(level, hidden)) == "done\n"
    )


def printed_with(folder: Path, code: str, sandbox: Sandbox) -> str:
    ended, text, _ = ran(folder, sandbox, code)
    assert ended == 0, text
    return text


FIRST = """
import os
for place in ("mem", "environ", "fd/1", "fd/2", "root/", "task/1/mem", "cwd/"):
    try:
        handle = os.open("/proc/1/" + place, os.O_RDONLY)
    except OSError:
        continue
    print("opened", place, os.read(handle, 1))
print("done")
"""


@pytest.mark.parametrize("level", STRONG)
def test_the_first_process_inside_cannot_be_reached(tmp_path: Path, level: Level) -> None:
    assert printed(tmp_path, FIRST, level) == "done\n"


SESSION = """
import fcntl, os
try:
    os.open("/dev/tty", os.O_RDWR)
except OSError:
    print("no terminal")
try:
    fcntl.ioctl(0, 0x5412, b"x")
except OSError as refusal:
    print(refusal.errno)
print(os.getsid(0) in (1, os.getpid()))
print([os.readlink("/proc/self/fd/" + one).split(":")[0] for one in sorted(os.listdir("/proc/self/fd"))[:3]])
print(len(os.listdir("/proc/self/fd")))
"""


@pytest.mark.parametrize("level", STRONG)
def test_no_terminal_and_no_open_file_comes_along(tmp_path: Path, level: Level) -> None:
    lines = printed(tmp_path, SESSION, level).splitlines()
    assert lines == ["no terminal", "1", "True", "['pipe', 'pipe', 'pipe']", "4"]


ALONE = """
/bin/bwrap --unshare-all --unshare-user --unshare-cgroup --disable-userns --die-with-parent --new-session
--cap-drop ALL --clearenv
"""
SHOWN = """
--symlink usr/lib /lib --ro-bind /usr /usr --ro-bind /venv /venv --size 65536 --tmpfs DATA
--bind DATA/runs/1/work DATA/runs/1/work --ro-bind DATA/runs/1/package DATA/runs/1/package
--remount-ro DATA --remount-ro / --setenv TZ UTC --chdir DATA/runs/1/work -- python -c pass
"""


def test_bubblewrap_gets_nothing_but_the_view(tmp_path: Path) -> None:
    work, package = tmp_path / "runs/1/work", tmp_path / "runs/1/package"
    view = View(
        read_only=("/usr", "/venv"),
        hidden=(str(tmp_path), "/venv/not/there"),
        links={"/lib": "usr/lib"},
        writable=(str(work),),
        late=(str(package),),
    )
    found = bubblewrap_arguments(Path("/bin/bwrap"), view, ["python", "-c", "pass"], {"TZ": "UTC"}, work)
    alone, shown = ALONE.split(), SHOWN.replace("DATA", str(tmp_path)).split()
    assert found[: len(alone)] == alone
    assert found[-len(shown) :] == shown
    own = found[len(alone) : -len(shown)]
    assert [own[at - 1] for at, one in enumerate(own) if one == "--tmpfs"] == [
        "65536",
        "134217728",
        "134217728",
        "65536",
    ]


def test_the_view_hides_the_data_folder_only_where_something_shown_holds_it(tmp_path: Path) -> None:
    beside = view_of(PYTHON, hidden=(tmp_path,), writable=(), late=())
    inside = view_of(PYTHON, hidden=(Path(sys.prefix) / "data",), writable=(), late=())
    assert str(tmp_path) not in beside.hidden
    assert str(Path(sys.prefix) / "data") in inside.hidden
    assert not any(str(Path.home()) == one for one in beside.read_only)


WITHOUT_A_NAME = """
import os, time
def unlinked():
    handle = os.open("x", os.O_CREAT | os.O_WRONLY)
    os.unlink("x")
    return handle
for _ in range(20):
    handle = {make}
    for _ in range(20):
        os.write(handle, b"x" * (1 << 20))
time.sleep(60)
"""
TOO_DEEP = """
import os, time
for _ in range(30):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
for n in range(60):
    open(str(n), "wb").write(b"x" * 999_999)
time.sleep(60)
"""
MANY_HELD = """
import os, time
for _ in range(12):
    if os.fork() == 0:
        for _ in range(1000):
            os.dup(0)
        break
time.sleep(60)
"""


@pytest.mark.parametrize("level", LEVELS)
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
        (WITHOUT_A_NAME.format(make="os.memfd_create('x')"), {"memory_bytes": 200 << 20}, "memory"),
        (WITHOUT_A_NAME.format(make="unlinked()"), {"disk_bytes": 100 << 20}, "disk"),
        (TOO_DEEP, {"disk_bytes": 30 << 20}, "disk"),
        (MANY_HELD, {}, "disk"),
        ("import time\ntime.sleep(60)", {"disk_free_bytes": 1 << 60}, "disk_full"),
    ],
)
def test_what_all_processes_take_together_is_bounded(
    tmp_path: Path, level: Level, code: str, limits: dict[str, int], excess: str
) -> None:
    ended, _, child = ran(tmp_path, sandbox_of(level), code, **limits)
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


@pytest.mark.parametrize("level", LEVELS)
def test_a_grandchild_in_another_session_ends_with_its_program(tmp_path: Path, level: Level) -> None:
    assert ran(tmp_path, sandbox_of(level), ESCAPE)[0] == 0
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


@pytest.mark.parametrize("level", LEVELS)
def test_everything_ends_with_a_service_that_is_killed(tmp_path: Path, level: Level) -> None:
    script = f"""
import os, signal, time
from pathlib import Path
from infrastructure.processes.sandbox import Program
from tests.execution.test_sandbox_levels import PYTHON
from tests.support.sandboxes import sandbox_of
folder = Path({str(tmp_path)!r}) / "home"
code = "import os, time\\nif os.fork() == 0: os.setsid()\\nopen('up', 'a').write('x')\\ntime.sleep(600)"
program = Program(
    python=PYTHON, arguments=["-c", code], cwd=folder, env={{}}, scratch=folder.parent, writable=(folder,)
)
child = sandbox_of({level!r}).start(program)
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


@pytest.mark.parametrize("level", STRONG)
def test_everything_ends_with_a_warden_that_is_killed(tmp_path: Path, level: Level) -> None:
    home = tmp_path / "home"
    home.mkdir()
    code = "import os, time\nif os.fork() == 0: os.setsid()\nopen('up', 'a').write('x')\ntime.sleep(600)"
    program = Program(
        python=PYTHON, arguments=["-c", code], cwd=home, env={}, scratch=tmp_path, writable=(home,)
    )
    child = sandbox_of(level).start(program)
    try:
        up = home / "up"
        wait_until(lambda: up.exists() and up.stat().st_size == 2, "the program did not begin")
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(20) == -9
        wait_until(lambda: processes_in(home) == [], "processes of a killed warden are left")
    finally:
        child.close()
        child.output.close()


@pytest.mark.parametrize("level", LEVELS)
def test_where_the_machines_memory_ends_a_program_ends_before_the_service(
    tmp_path: Path, level: Level
) -> None:
    _, text, _ = ran(tmp_path, sandbox_of(level), "print(open('/proc/self/oom_score_adj').read())")
    assert int(text) > int(Path("/proc/self/oom_score_adj").read_text())
