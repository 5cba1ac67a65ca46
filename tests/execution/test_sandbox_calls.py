"""Which system calls are refused at levels L2 and L3, and that what definitions need goes on."""

import errno
import json
import os
import signal
import struct
from pathlib import Path

import pytest

from infrastructure.processes import sandbox_levels
from infrastructure.processes.sandbox import Level
from infrastructure.processes.sandbox_calls import ABSENT, REFUSED, call_filter, numbers
from infrastructure.processes.sandbox_handshake import Handshake
from infrastructure.processes.sandbox_levels import UNFILTERED, Probed, probe
from tests.execution.test_sandbox_levels import printed, ran
from tests.support.sandboxes import STRONG, bubblewrap, sandbox_of

MACHINE = "x86_64"
CALLS = """
import ctypes, json
libc = ctypes.CDLL(None, use_errno=True)
found = {}
for name, number in json.loads(NUMBERS).items():
    ctypes.set_errno(0)
    result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
    found[name] = ctypes.get_errno() if result == -1 else 0
print(json.dumps(found))
"""
ARGUMENTS = """
import ctypes, json, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
found = {}
def called(name, number, *arguments):
    ctypes.set_errno(0)
    found[name] = ctypes.get_errno() if libc.syscall(number, *arguments) == -1 else 0
for name, flag in (("user", 0x10000000), ("net", 0x40000000), ("mount", 0x20000)):
    called(name, 56, flag | 17, 0, 0, 0, 0)
called("type into a terminal", 16, 0, 0x5412, b"x")
called("ioctl with high bits", 16, 0, ctypes.c_ulong(0x100005412), b"x")
called("another table of numbers", 0x40000000 + 39)
for family in range(1, 46):
    try:
        socket.socket(family, socket.SOCK_DGRAM).close()
        found[f"family {family}"] = 0
    except OSError as error:
        found[f"family {family}"] = error.errno
    called(f"pair of {family}", 53, family, socket.SOCK_STREAM, 0, ctypes.create_string_buffer(8))
print(json.dumps(found))
"""
NEEDED = """
import asyncio, concurrent.futures, multiprocessing, os, socket, subprocess, sys, tempfile, threading, time
thread = threading.Thread(target=lambda: print("thread"))
thread.start(); thread.join()
print(subprocess.run([sys.executable, "-I", "-S", "-c", "print('child')"], capture_output=True).stdout)
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    print(list(pool.map(abs, [-1, -2])))
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
process = context.Process(target=queue.put, args=("forked",))
process.start(); print(queue.get()); process.join()
lock = multiprocessing.get_context("spawn").Lock()
one, other = socket.socketpair(); one.send(b"x"); print(other.recv(1))
asyncio.run(asyncio.sleep(0))
with tempfile.TemporaryDirectory() as folder: open(folder + "/x", "w").close()
os.sched_setaffinity(0, os.sched_getaffinity(0)); os.getrandom(4)
print("done")
"""


@pytest.mark.parametrize("level", STRONG)
def test_each_refused_call_is_refused_by_the_filter(tmp_path: Path, level: Level) -> None:
    wanted = numbers(REFUSED, MACHINE) | numbers(ABSENT, MACHINE)
    found = json.loads(printed(tmp_path, CALLS.replace("NUMBERS", repr(json.dumps(wanted))), level))
    expected = dict.fromkeys(numbers(REFUSED, MACHINE), errno.EPERM)
    assert found == expected | dict.fromkeys(numbers(ABSENT, MACHINE), errno.ENOSYS)


def test_without_the_filter_some_would_be_answered(tmp_path: Path) -> None:
    harmless = {name: numbers(REFUSED, MACHINE)[name] for name in ("ptrace", "kcmp", "unshare", "keyctl")}
    code = CALLS.replace("NUMBERS", repr(json.dumps(harmless)))
    assert errno.EPERM not in json.loads(printed(tmp_path, code, "L1")).values()


@pytest.mark.parametrize("level", STRONG)
def test_arguments_are_judged_where_a_call_is_needed_otherwise(tmp_path: Path, level: Level) -> None:
    found = json.loads(printed(tmp_path, ARGUMENTS, level))
    assert {found.pop(name) for name in ("user", "net", "mount")} == {errno.EPERM}
    assert found.pop("type into a terminal") == errno.EPERM
    assert found.pop("ioctl with high bits") == errno.EPERM
    assert found.pop("another table of numbers") == errno.ENOSYS
    refused = {name for name, number in found.items() if number == errno.EAFNOSUPPORT}
    others = (40, 38, 17)  # vsock, the kernel's ciphers, raw packets
    assert {f"family {one}" for one in others} | {f"pair of {one}" for one in others} <= refused
    assert {"family 1", "family 2", "pair of 1", "pair of 2"}.isdisjoint(refused)


ENTRY_OF_32_BITS = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid); int 0x80; ret
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
print(ctypes.CFUNCTYPE(ctypes.c_int)(address)(), flush=True)
"""


@pytest.mark.parametrize("level", STRONG)
def test_the_entry_of_32_bits_leads_nowhere(tmp_path: Path, level: Level) -> None:
    """The filter's answer, or a signal where the kernel has no such entry."""
    ended, text, _ = ran(tmp_path, sandbox_of(level, tmp_path), ENTRY_OF_32_BITS)
    assert (ended, text) in ((0, f"{-errno.ENOSYS}\n"), (-signal.SIGSEGV, ""))


@pytest.mark.parametrize("level", STRONG)
def test_what_definitions_need_goes_on(tmp_path: Path, level: Level) -> None:
    lines = printed(tmp_path, NEEDED, level).splitlines()
    assert lines == ["thread", "b'child\\n'", "[1, 2]", "forked", "b'x'", "done"]


LIBRARIES = """
import lightgbm, numpy as np, polars as pl, xgboost
from sklearn.ensemble import HistGradientBoostingRegressor
rows, target = np.random.default_rng(1).normal(size=(200, 3)), np.arange(200.0)
lightgbm.LGBMRegressor(n_estimators=3, n_jobs=2, verbose=-1).fit(rows, target)
xgboost.XGBRegressor(n_estimators=3, n_jobs=2).fit(rows, target)
HistGradientBoostingRegressor(max_iter=3).fit(rows, target)
pl.DataFrame(rows).write_parquet("rows.parquet")
print(pl.scan_parquet("rows.parquet").collect().height)
"""


@pytest.mark.parametrize("level", STRONG)
def test_what_models_are_made_with_goes_on(tmp_path: Path, level: Level) -> None:
    assert printed(tmp_path, LIBRARIES, level).splitlines()[-1] == "200"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_lands_inside_and_it_ends_by_an_answer(machine: str) -> None:
    steps = list(struct.iter_unpack("=HBBI", call_filter(machine)))
    assert len(steps) < 4096
    for at, (_code, if_so, otherwise, _value) in enumerate(steps):
        assert at + 1 + max(if_so, otherwise) <= len(steps)
    assert steps[-1] == (0x06, 0, 0, 0x7FFF0000)


@pytest.mark.parametrize("calls", [REFUSED, ABSENT])
def test_no_number_stands_twice(calls: dict[str, tuple[int | None, int | None]]) -> None:
    for machine in ("x86_64", "aarch64"):
        found = list(numbers(calls, machine).values())
        assert len(found) == len(set(found))


def test_a_machine_whose_numbers_are_not_known_has_no_filter_and_a_probe_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert call_filter("riscv64") == b""
    monkeypatch.setattr(sandbox_levels, "_filters", lambda status: 0)
    for level in STRONG:
        assert probe(level, bubblewrap()) == Probed(level, works=True, detail=UNFILTERED)
    assert probe("L1").detail == "works"


def test_bubblewrap_reads_the_filter_from_a_file_that_it_inherits() -> None:
    words = iter(Handshake().arguments(call_filter()))
    told = dict(zip(words, words, strict=True))
    assert set(told) == {"--json-status-fd", "--block-fd", "--seccomp"}
    assert all(os.get_inheritable(int(handle)) for handle in told.values())
    with open(int(told["--seccomp"]), "rb") as file:  # noqa: PTH123  # an open file
        assert file.read() == call_filter()
    assert "--seccomp" not in Handshake().arguments(b"")
