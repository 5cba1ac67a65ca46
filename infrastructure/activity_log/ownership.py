"""One process owns a log: a locked file names it. Network file systems, whose locks lie, are refused."""

import contextlib
import fcntl
import os
import re
from pathlib import Path

from infrastructure.activity_log.errors import LogOnNetworkFileSystem, LogOwnedElsewhere

MOUNTS = Path("/proc/self/mountinfo")

NETWORK_FILE_SYSTEMS = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "fuse.ceph",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.smbnetfs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "smb2",
        "smb3",
        "smbfs",
    ]
)

_MOUNT_POINT = 4
_ESCAPED = re.compile(r"\\([0-7]{3})")


def file_system_of(path: str, mountinfo: str) -> str | None:
    """The type of the file system that holds a resolved path, after the text of a `mountinfo` file.

    The longest mount point that contains the path counts; of two on the same point, the later one, which
    hides the earlier. None where nothing fits.
    """
    found: tuple[int, str] | None = None
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) <= _MOUNT_POINT:
            continue
        point = _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), fields[_MOUNT_POINT])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and (found is None or len(point) >= found[0]):
            found = len(point), after.split(" ")[0]
    return found[1] if found else None


def refuse_network_file_system(folder: Path, mounts: Path = MOUNTS) -> None:
    """Raises LogOnNetworkFileSystem; where the system has no mount table nothing can be said."""
    if not mounts.exists():
        return
    kind = file_system_of(str(folder.resolve()), mounts.read_text("utf-8", "surrogateescape"))
    if kind in NETWORK_FILE_SYSTEMS:
        raise LogOnNetworkFileSystem(f"{folder} is on {kind}", file_system=kind)


class Ownership:
    """The lock on a log, held until `release` or the end of the process, however it ends."""

    def __init__(self, log_path: Path) -> None:
        """Take the lock and write this process's id into the file. Raises LogOwnedElsewhere."""
        self.path = log_path.with_name(log_path.name + ".lock")
        self._descriptor: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            self.release()
            raise LogOwnedElsewhere(
                f"{log_path} is open in process {owner or 'unknown'}", pid=owner
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock up; twice is once. The file stays: removing it could hide another owner's lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)
