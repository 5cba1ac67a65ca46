"""Limits that a child puts on itself before it runs any code of a definition; they cannot be raised again."""

import ctypes
import os
import resource
import signal

PARENT_SETTING = "OPTAIC_MLOPS_PARENT"
MEMORY_SETTING = "OPTAIC_MLOPS_MEMORY_MIB"
FILE_BYTES_MAX = 4 * 1024**3
OPEN_FILES_MAX = 1024
_PR_SET_PDEATHSIG = 1


def confine() -> None:
    """Die with the parent; bound memory (private data), file size, open files; no core dumps.

    RLIMIT_DATA counts private writable memory. RLIMIT_AS would count address space that libraries only
    reserve.
    """
    _die_with_parent()
    memory = int(os.environ.get(MEMORY_SETTING, "0")) * 1024 * 1024
    if memory:
        _limit(resource.RLIMIT_DATA, memory)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES_MAX)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES_MAX)
    _limit(resource.RLIMIT_CORE, 0)


def _die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the executor's thread ends; leave at once if it is gone already."""
    expected = os.environ.get(PARENT_SETTING)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if expected is not None and os.getppid() != int(expected):
        os._exit(70)


def _limit(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (bound, bound))
