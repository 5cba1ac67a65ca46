"""Level L2: namespaces of users, mounts, processes, network, System V and host name, and a root in memory
that holds only what a program may see. Standard library only: it runs in the warden's process.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from infrastructure.processes import sandbox_kernel as kernel

DEVICES = ("null", "zero", "full", "random", "urandom")
"""They keep nothing of what is written to them."""
_ALL = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
_TASKS_MAX = 512


def leave() -> None:
    """Go into new namespaces; the next fork is the first process of the new process namespace. Raises
    OSError.
    """
    _own_users()
    kernel.unshare(_ALL)


def protect_devices() -> None:
    """Root owns the machine's devices: what runs as root could change their modes and owners, without any
    capability, where their mounts can be written. Go where they cannot. Raises OSError.
    """
    _own_users()
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, Path("/"), None, kernel.MS_REC | kernel.MS_PRIVATE)
    for name in DEVICES:
        _bind_device(name, Path("/dev", name))


def _own_users() -> None:
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")


def build_root(view: Mapping[str, Any]) -> None:
    """Make and enter a root that holds the paths of `view` under their own names. Raises OSError.

    `read_only` and `writable` are there as they are, `hidden` are empty folders, `/proc` shows only the new
    namespace and cannot be written, `/dev` has no device that keeps anything.
    """
    root = Path(view["root"])
    kernel.mount(None, Path("/"), None, kernel.MS_REC | kernel.MS_PRIVATE)
    plain = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", root, "tmpfs", plain, f"size={view['tmpfs_bytes']},mode=0755")
    for link, target in view["links"].items():
        _below(root, link).symlink_to(target)
    for path in view["read_only"]:
        _bind(root, path, kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV)
    _hide(root, view["hidden"])
    for path in view["writable"]:
        _bind(root, path, kernel.ATTR_NOSUID | kernel.ATTR_NODEV)
    for path in view["late"]:
        _bind(root, path, kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV)
    _devices(root)
    _processes(root)
    for folder in ("tmp", "dev/shm"):
        place = root / folder
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o1777)
    kernel.change_root(root)


def _below(root: Path, path: str) -> Path:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _bind(root: Path, path: str, attributes: int) -> None:
    place = _below(root, path)
    if os.path.isdir(path):  # noqa: PTH112  # the name as it is, whatever it holds
        place.mkdir(exist_ok=True)
    elif not place.exists():
        place.touch()
    kernel.mount(path, place, None, kernel.MS_BIND | kernel.MS_REC)
    kernel.restrict_mount(place, attributes)


def _hide(root: Path, paths: Sequence[str]) -> None:
    for path in paths:
        place = root / path.lstrip("/")
        if place.is_dir():
            kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=64k,mode=0755")


def _devices(root: Path) -> None:
    for name in DEVICES:
        place = _below(root, f"/dev/{name}")
        place.touch()
        _bind_device(name, place)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (root / "dev" / name).symlink_to(f"/proc/self/fd/{number}")
    (root / "dev" / "fd").symlink_to("/proc/self/fd")


def _bind_device(name: str, place: Path) -> None:
    """It can be written to, but neither its mode nor its owner can be changed."""
    kernel.mount(f"/dev/{name}", place, None, kernel.MS_BIND)
    kernel.restrict_mount(place, kernel.ATTR_RDONLY | kernel.ATTR_NOSUID)


def _processes(root: Path) -> None:
    """`/proc` of the new namespace; where the kernel lets us, no more namespaces and few tasks in it."""
    place = root / "proc"
    place.mkdir()
    kernel.mount("proc", place, "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    for setting, value in (("user/max_user_namespaces", 0), ("kernel/pid_max", _TASKS_MAX)):
        with suppress(OSError):
            (place / "sys" / setting).write_text(str(value))
    kernel.restrict_mount(place, kernel.ATTR_RDONLY)
