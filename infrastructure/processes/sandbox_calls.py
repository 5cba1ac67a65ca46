"""Which system calls a sandboxed program may not make, as a program for the kernel's filter (seccomp).

What a definition needs goes on: files, memory, threads, processes, time, sockets of its own. Refused is what
reaches the kernel's rarely walked parts, other processes, mounts and namespaces: an attack on the kernel
itself begins there. Standard library only. Numbers: the kernel's `syscall_64.tbl` and `asm-generic/unistd.h`.
"""

import errno
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_LOAD, _EQUALS, _AT_LEAST, _HAS_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020080
"""The flags of `clone` that make namespaces."""
_FAMILIES = (1, 2, 10, 16)
"""Sockets: Unix, IPv4, IPv6, netlink. Of others some know no namespaces (vsock reaches the host)."""
_TYPED_FOR_OTHERS = (0x5412, 0x541C)
"""`ioctl`s that put characters into a terminal."""

REFUSED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
"""Call → its number on x86_64 and on aarch64: answered with EPERM."""
ABSENT: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "memfd_secret": (447, 447),
    "modify_ldt": (154, None),
}
"""The same, answered as by a kernel that does not know them (ENOSYS): the C library then takes older ones."""


@dataclass(frozen=True)
class _Machine:
    column: int
    architecture: int
    """As `seccomp_data` names it."""
    clone: int
    ioctl: int
    socket: int
    socketpair: int


_MACHINES = {
    "x86_64": _Machine(0, 0xC000003E, 56, 16, 41, 53),
    "aarch64": _Machine(1, 0xC00000B7, 220, 29, 198, 199),
}


def numbers(calls: dict[str, tuple[int | None, int | None]], machine: str) -> dict[str, int]:
    """The calls' numbers on a machine that has them."""
    column = _MACHINES[machine].column
    return {name: number for name, both in calls.items() if (number := both[column]) is not None}


def call_filter(machine: str | None = None) -> bytes:
    """The filter as `struct sock_filter[]`; empty for a machine whose numbers are not known here."""
    name = machine or os.uname().machine
    if name not in _MACHINES:
        return b""
    found = _MACHINES[name]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUALS, 1, 0, found.architecture),
        _answer(errno.ENOSYS),
        (_LOAD, 0, 0, _NUMBER_AT),
        *((_AT_LEAST, 0, 1, _X32), _answer(errno.ENOSYS)),
    ]
    for calls, code in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for number in numbers(calls, name).values():
            steps += [(_EQUALS, 0, 1, number), _answer(code)]
    steps += _judged(found.clone, 0, [(_HAS_BIT, 0, 1, _NEW_NAMESPACES), _answer(errno.EPERM)])
    for request in _TYPED_FOR_OTHERS:
        steps += _judged(found.ioctl, 1, [(_EQUALS, 0, 1, request), _answer(errno.EPERM)])
    allowed = [step for family in _FAMILIES for step in ((_EQUALS, 0, 1, family), (_RETURN, 0, 0, _ALLOW))]
    for makes_sockets in (found.socket, found.socketpair):
        steps += _judged(makes_sockets, 0, [*allowed, _answer(errno.EAFNOSUPPORT)])
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _answer(code: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ERRNO | code)


def _judged(
    number: int, argument: int, steps: Sequence[tuple[int, int, int, int]]
) -> list[tuple[int, int, int, int]]:
    """Steps that look at the lower half of one argument of one call; the number is loaded again after."""
    body = [(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument), *steps, (_LOAD, 0, 0, _NUMBER_AT)]
    return [(_EQUALS, 0, len(body), number), *body]
