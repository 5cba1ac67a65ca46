"""The calls of the Linux kernel that a sandbox needs and Python 3.11 does not have. Standard library only."""

import ctypes
import os
import struct
from contextlib import suppress
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_SETATTR = 442  # the same number on every architecture
_PDEATHSIG, _CAPBSET_DROP, _CHILD_SUBREAPER, _NO_NEW_PRIVS, _CAP_AMBIENT = 1, 24, 36, 38, 47
_CLEAR_ALL = 4
_SECCOMP, _MODE_FILTER = 22, 2
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def prctl(option: int, value: int = 0) -> None:
    """`prctl(2)` with one argument. Raises OSError."""
    _checked(_libc.prctl(option, value, 0, 0, 0), f"prctl {option}")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send a signal when the parent (its thread) ends."""
    prctl(_PDEATHSIG, signal_number)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ended, whatever session they went to."""
    prctl(_CHILD_SUBREAPER, 1)


def unshare(flags: int) -> None:
    """Leave the parent's namespaces for new ones. Raises OSError."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str | None, target: Path, kind: str | None, flags: int, options: str = "") -> None:
    """`mount(2)`. Raises OSError."""
    arguments = (source, str(target), kind)
    raw = [None if one is None else os.fsencode(one) for one in arguments]
    _checked(_libc.mount(*raw, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def restrict_mount(target: Path, attributes: int) -> None:
    """Add attributes to a mount and everything below it. Raises OSError; Linux 5.12 or later."""
    wanted = struct.pack("=QQQQ", attributes, 0, 0, 0)
    path = os.fsencode(target)
    result = _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, path, _AT_RECURSIVE, wanted, len(wanted))
    _checked(result, f"mount_setattr {target}")


def change_root(root: Path) -> None:
    """Make a mounted folder the root and let go of the old one. Raises OSError."""
    os.chdir(root)
    _checked(_libc.pivot_root(b".", b"."), "pivot_root")
    _checked(_libc.umount2(b".", _MNT_DETACH), "umount of the old root")
    os.chdir("/")


def filter_calls(program: bytes) -> None:
    """Let a BPF program judge every system call from now on, of children too; needs that no privileges can be
    had any more. Raises OSError: EINVAL where the kernel has no such filter.
    """
    content = ctypes.create_string_buffer(program, len(program))
    told = struct.pack("@HP", len(program) // 8, ctypes.addressof(content))
    result = _libc.prctl(_SECCOMP, ctypes.c_ulong(_MODE_FILTER), told, 0, 0)
    _checked(result, "a filter of system calls")


def give_up_privileges() -> None:
    """No capability after the next `execve`, and none ever again: not by set-user-id files either."""
    for capability in range(64):
        try:
            prctl(_CAPBSET_DROP, capability)
        except OSError:
            break
    with suppress(OSError):
        prctl(_CAP_AMBIENT, _CLEAR_ALL)
    prctl(_NO_NEW_PRIVS, 1)
