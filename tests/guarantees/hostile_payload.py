"""What hostile model code tries. Put into a package as `model/programs.py` and run in a sandbox, never here.

Each function gets what the test told (paths, a port, …). One that was stopped does not return; one that was
refused raises `Held`; one that came through returns, and its run completes: then the test fails.
"""

# It calls the system as an attacker would, by the shortest way.
# ruff: noqa: PTH108, PTH115, PTH208, SIM115, FURB122

import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

MIB = 1 << 20


class Held(Exception):
    """Everything that was tried was refused."""


def call(name, told):
    """Run one of these programs."""
    print("started", name, flush=True)
    globals()[name](told)
    print("ESCAPED", name, flush=True)


def tried(*attempts):
    """Each attempt has to be refused; the refusals are told."""
    from optaic.mlops.runner.connection import RunRefused

    refusals = []
    for what, attempt in attempts:
        try:
            found = attempt()
        except (OSError, ImportError, ValueError, RunRefused) as refusal:
            refusals.append(f"{what}: {refusal}")
        else:
            print("ESCAPED", what, repr(found)[:200], flush=True)
            return
    raise Held("; ".join(refusals))


def fork_bomb(told):
    for _ in range(60):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    time.sleep(60)


def memory(told):
    held = []
    for _ in range(60):
        held.append(b"x" * (16 * MIB))


def memory_of_children(told):
    for _ in range(4):
        if os.fork() == 0:
            held = b"x" * (180 * MIB)
            time.sleep(60)
            os._exit(len(held) % 2)
    time.sleep(60)


def memory_that_is_shared(told):
    import mmap

    held = mmap.mmap(-1, 900 * MIB)
    for _ in range(900):
        held.write(b"x" * MIB)
    time.sleep(60)


def disk(told):
    for n in range(150):
        Path(f"{n}").write_bytes(b"x" * MIB)
    time.sleep(60)


def many_files(told):
    for n in range(2000):
        Path(f"{n}").touch()
    time.sleep(60)


def large_file(told):
    with Path("large").open("wb") as file:
        for _ in range(100):
            file.write(b"x" * MIB)


def processor(told):
    while True:
        pass


def prints(told):
    while True:
        os.write(1, b"x" * 65535 + b"\n")


def network(told):
    tried(
        ("loopback", lambda: socket.create_connection(("127.0.0.1", told["port"]), 5)),
        ("address", lambda: socket.create_connection(("192.0.2.1", 80), 5)),
        ("address of version 6", lambda: socket.create_connection(("2001:db8::1", 80), 5)),
        ("abstract socket", lambda: socket.socket(socket.AF_UNIX).connect("\0" + told["abstract"])),
        ("other run's socket", lambda: socket.socket(socket.AF_UNIX).connect(told["other_socket"])),
        ("host of a virtual machine", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)),
        ("name", lambda: socket.getaddrinfo("example.org", 80)),
        ("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(
            b"x" * 8, ("127.0.0.1", 0))),
    )  # fmt: skip


def reads(told):
    attempts = [(path, lambda path=path: Path(path).read_bytes()) for path in told["secrets"]]
    attempts += [(path, lambda path=path: os.listdir(path)) for path in told["folders"]]
    tried(*attempts, ("service code", lambda: __import__("infrastructure.settings")))


def environment(told):
    for name in Path("/proc").glob("[0-9]*/environ"):
        try:
            print(name, name.read_bytes(), flush=True)
        except OSError as refusal:
            print(refusal, flush=True)
    print(dict(os.environ), flush=True)
    raise Held("what there was is printed")


def other_processes(told):
    tried(
        ("the service", lambda: Path(f"/proc/{told['pid']}/cmdline").read_bytes()),
        ("memory of the first", lambda: Path("/proc/1/mem").open("rb").read(1)),
        ("environment of the first", lambda: Path("/proc/1/environ").read_bytes()),
        *((f"file {n} of the first", lambda n=n: os.open(f"/proc/1/fd/{n}", os.O_WRONLY)) for n in range(32)),
        ("root of the first", lambda: os.listdir("/proc/1/root/")),
        ("kernel settings", lambda: Path("/proc/sys/kernel/hostname").write_text("x")),
        ("kernel keys", lambda: Path("/proc/sysrq-trigger").write_text("x")),
    )


def writes_outside(told):
    attempts = [(path, lambda path=path: Path(path, "evil").write_text("x")) for path in told["outside"]]
    package = Path(__file__).parents[1]
    code = Path(__file__)
    for path in told["hidden"]:  # folders in its own memory, where anything may be written
        with suppress(OSError):
            Path(path, "evil").write_text("x")
    tried(
        *attempts,
        ("its package", lambda: (package / "evil").write_text("x")),
        ("its code", lambda: code.write_text("x")),
        ("deletes its code", code.unlink),
        ("moves its package", lambda: package.rename("moved")),
        ("its socket", lambda: os.unlink(os.environ["OPTAIC_MLOPS_RUN_SOCKET"])),
        ("links the socket out", lambda: os.link(os.environ["OPTAIC_MLOPS_RUN_SOCKET"], "here")),
    )


def privileges(told):
    libc = ctypes.CDLL(None, use_errno=True)

    def checked(result):
        if result != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    tried(
        ("mount", lambda: checked(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))),
        ("umount", lambda: checked(libc.umount2(b"/proc", 2))),
        ("remount", lambda: checked(libc.mount(None, b"/usr", None, 0x20 | 0x1000, None))),
        ("new user namespace", lambda: checked(libc.unshare(0x10000000))),
        ("new network namespace", lambda: checked(libc.unshare(0x40000000))),
        ("join a namespace", lambda: checked(libc.setns(os.open("/proc/self/ns/mnt", os.O_RDONLY), 0))),
        ("trace the first", lambda: checked(libc.ptrace(16, 1, None, None))),
        ("change the root", lambda: os.chroot("/tmp")),
        ("another user", lambda: os.setuid(12345)),
        ("another group", lambda: os.setgroups([0, 12345])),
        ("give a file away", lambda: os.chown(Path("x").touch() or "x", 12345, 12345)),
        ("a device", lambda: os.mknod("disk", 0o60666, os.makedev(8, 0))),
        ("the clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0)),
        ("the host's name", lambda: socket.sethostname("evil")),
        ("nicer than before", lambda: os.nice(-10)),
    )


def frame(content):
    """One frame on a connection of its own; the answer, or None where it hung up."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(os.environ["OPTAIC_MLOPS_RUN_SOCKET"])
        connection.sendall(struct.pack(">I", len(content)) + content)
        head = connection.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            return None
        return json.loads(connection.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL))


def refused(name, content):
    """Raises where the frame is refused, as it should be."""

    def attempt():
        answer = frame(content if isinstance(content, bytes) else json.dumps(content).encode())
        if answer is None or "error" in answer:
            raise ValueError("hung up" if answer is None else answer["error"]["code"])
        return answer

    return name, attempt


def forged_calls(told):
    results = {"metrics": {"corr": 99.0}, "facts": {}}
    moment = "2024-03-01T00:00:00+00:00"
    calls = {
        "another run's results": ("complete", results | {"run_id": told["other_run"]}),
        "a verdict": ("record_evaluation", {"verdict": "passed"}),
        "a promotion": ("promote", {"version": 1}),
        "another run's rows": ("read", {"dataset": "secret-prices", "as_of": moment}),
        "rows of the future": ("read", {"role": "prices", "as_of": "2030-01-01T00:00:00+00:00"}),
        "a metric that is text": ("complete", {"metrics": {"corr": "99"}, "facts": {}}),
        "a metric without a name": ("complete", {"metrics": {"../corr": 1.0}, "facts": {}}),
        "no arguments": ("complete", None),
        "a hundred thousand points": (
            "log_metrics",
            {"points": [{"name": "a", "step": 1, "value": 1.0}] * 1001},
        ),
    }
    tried(*(refused(what, {"call": name, "arguments": more}) for what, (name, more) in calls.items()))


def forged_results_and_exit(told):
    """Results that were made up, told twice, and an exit code that says it went well."""
    results = {"metrics": {"corr": 99.0}, "facts": {}}
    for _ in range(2):
        frame(json.dumps({"call": "complete", "arguments": results}).encode())
    os._exit(7)


def malformed_frames(told):
    complete = b'{"call":"complete","arguments":{"metrics":{"a":%s},"facts":{%s}}}'
    tried(
        refused("nothing", b""),
        refused("noise", b"\xff\xfe\x00" * 99),
        refused("a list", b"[1]"),
        refused("deep lists", b"[" * 900_000),
        refused("deep facts", complete % (b"1", b'"a":' + b'{"a":' * 900 + b"1" + b"}" * 900)),
        refused("deeper facts", complete % (b"1", b'"a":' + b"[" * 40_000 + b"]" * 40_000)),
        refused("two million lists", b'{"call":"complete","arguments":[' + b"[]," * 600_000 + b"[]]}"),
        refused("NaN", complete % (b"NaN", b"")),
        refused("infinity", complete % (b"1e999", b"")),
        refused("a number without an end", complete % (b"9" * 5000, b"")),
        refused("half a letter", b'{"call":"fail","arguments":{"code":"a","message":"\\ud800"}}'),
        refused("a call that is an object", b'{"call":{},"arguments":{}}'),
        refused("a name that cuts off", {"call": "stage_output", "arguments": {"path": "a\0b"}}),
        refused("a name without an end", {"call": "stage_output", "arguments": {"path": "a" * 90_000}}),
        refused("facts without an end", complete % (b"1", b'"a":"' + b"x" * 40_000 + b'"')),
        refused("more than a frame may have", b"x" * (3 * MIB)),
    )


def many_connections(told):
    held = []
    for _ in range(64):
        one = socket.socket(socket.AF_UNIX)
        one.connect(os.environ["OPTAIC_MLOPS_RUN_SOCKET"])
        held.append(one)
    for one in held:
        one.settimeout(2)
        try:
            one.sendall(struct.pack(">I", 4000) + b"half")
        except OSError:
            continue
    raise Held("they are all open")


def stages_what_is_not_its_own(told):
    from optaic.mlops.runner.connection import connect

    run = connect()
    Path("file").write_text("x")
    Path("folder").mkdir()
    Path("folder/link").symlink_to("/etc/passwd")
    Path("link").symlink_to("/etc/passwd")
    Path("to_data").symlink_to(told["folders"][0])
    os.mkfifo("pipe")
    Path("odd").mkdir()
    Path("odd/a:b").write_text("x")
    Path("empty").mkdir()
    Path("pickled").mkdir()
    Path("pickled/model.bin").write_bytes(b"\x80\x04K\x01.")
    names = (
        "link",
        "pipe",
        "folder",
        "to_data/log.sqlite",
        "none",
        "",
        ".",
        "..",
        "../inputs",
        "/etc/passwd",
    )
    reports = [(f"report {one!r}", lambda one=one: run.stage_report(Path(one), "report")) for one in names]
    outputs = [(f"output {one!r}", lambda one=one: run.stage_output(Path(one))) for one in names]
    folders = ("folder", "file", "to_data", "odd", "empty", "pickled", "/usr", "..", "pipe")
    models = [(f"model {one!r}", lambda one=one: run.stage_artifact(Path(one), "x")) for one in folders]
    tried(*reports, *outputs, *models)


def kills_its_parent(told):
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        os.kill(os.getppid(), number)
    time.sleep(0.2)
    os.killpg(0, signal.SIGKILL)


def ignores_the_end(told):
    signal.pthread_sigmask(signal.SIG_BLOCK, set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP})
    time.sleep(60)


def daemonises(told):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            Path("beat").touch()
            time.sleep(120)
        os._exit(0)
    while not Path("beat").exists():
        time.sleep(0.01)
    os._exit(0)


def hangs_without_a_socket(told):
    os.closerange(3, 500)
    time.sleep(60)


def leaves_early(told):
    os._exit(0)


def corrupts_its_memory(told):
    ctypes.memset(id(os), 0xFF, 1 << 40)


def raises_a_book(told):
    raise Held("chapter " * 4_000_000)


def steers_the_terminal(told):
    sys.stdout.buffer.write(b"\x1b[2J\x1b]0;evil\x07\x00\x9b31m\xff\xfe\r\n")
    sys.stdout.flush()
    raise Held("\x1b[31mred\x1b[0m \u202etxt.evil\x07\x00 \x08\x08")


def open_files(told):
    for name in os.listdir("/proc/self/fd"):
        try:
            print("file", name, os.readlink(f"/proc/self/fd/{name}"), flush=True)
        except OSError:
            continue
    raise Held("what there was is printed")


def replaces_what_it_staged(told):
    """Its own results, and the file's bytes changed once they were staged."""
    from optaic.mlops.runner.connection import connect

    run = connect()
    Path("mine").mkdir()
    Path("mine/weights.txt").write_text("honest")
    print("staged", run.stage_artifact(Path("mine").absolute(), "text"), flush=True)
    Path("mine/weights.txt").write_text("replaced")
    run.complete({"corr": 0.5}, {})
    Path("mine/weights.txt").unlink()
    os._exit(0)


def twins(told):
    """The honest form of each of them, one after the other."""
    children = [os.fork() or os._exit(0) for _ in range(3)]
    print("twin forks", [os.waitpid(one, 0)[1] for one in children])
    print("twin memory", len(b"x" * (60 * MIB)))
    for n in range(50):
        Path(f"small-{n}").write_bytes(b"x" * 10_000)
    Path("large-enough").write_bytes(b"x" * (4 * MIB))
    print("twin files", len(os.listdir()))
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    print("twin prints", "x" * 20_000)
    one, other = socket.socketpair()
    one.sendall(b"x")
    print("twin network", other.recv(1))
    print(
        "twin reads", len(Path(__file__).read_bytes()), os.environ["TZ"], Path("/proc/self/comm").read_text()
    )
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
    child.kill()
    print("twin kills", child.wait())
    print("twin foreign code", ctypes.CDLL(None).getpid() == os.getpid())
    thread = threading.Thread(target=print, args=("twin thread",))
    thread.start()
    thread.join()
    answer = frame(json.dumps({"call": "progress", "arguments": {"fraction": 0.5, "message": "é"}}).encode())
    print("twin calls", answer)
    print("twin catches", repr(ValueError("x" * 10)))
    print("twin letters \N{SNOWMAN}", flush=True)
