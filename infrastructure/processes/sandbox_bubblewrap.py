"""Level L3: the command line of bubblewrap, 0.8 or later."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from infrastructure.processes.sandbox_namespaces import DEVICES
from infrastructure.processes.sandbox_view import TMPFS_BYTES, View

_ALONE = (
    *("--unshare-all", "--unshare-user", "--unshare-cgroup"),  # alone, the first goes on without the others
    *("--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
)
_EMPTY_BYTES = "65536"


def bubblewrap_arguments(
    bubblewrap: Path, view: View, command: Sequence[str], env: Mapping[str, str], cwd: Path
) -> list[str]:
    """Nothing of the machine but the view, of our environment only `env`, no network, no capability, and no
    memory file system without a bound.
    """
    arguments = [str(bubblewrap), *_ALONE, *_own_folders()]
    for link, target in view.links.items():
        arguments += ["--symlink", target, link]
    for path in view.read_only:
        arguments += ["--ro-bind", path, path]
    hidden = [path for path in view.hidden if Path(path).is_dir()]
    for path in hidden:
        arguments += ["--size", _EMPTY_BYTES, "--tmpfs", path]
    for path in view.writable:
        arguments += ["--bind", path, path]
    for path in view.late:
        arguments += ["--ro-bind", path, path]
    for path in (*hidden, "/"):
        arguments += ["--remount-ro", path]
    for name, value in env.items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--chdir", str(cwd), "--", *command]


def _own_folders() -> list[str]:
    """`/tmp` and shared memory, devices that keep nothing, and `/proc` without the first process: that is
    bubblewrap's, whose memory the program might write.
    """
    arguments = ["--size", _EMPTY_BYTES, "--tmpfs", "/dev"]
    for folder in ("/tmp", "/dev/shm"):  # noqa: S108  # names inside
        arguments += ["--perms", "1777", "--size", str(TMPFS_BYTES // 2), "--tmpfs", folder]
    for name in DEVICES:
        arguments += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        arguments += ["--symlink", f"/proc/self/fd/{number}", f"/dev/{name}"]
    arguments += ["--symlink", "/proc/self/fd", "/dev/fd", "--remount-ro", "/dev"]
    arguments += ["--proc", "/proc", "--size", _EMPTY_BYTES, "--tmpfs", "/proc/1", "--remount-ro", "/proc/1"]
    return [*arguments, "--remount-ro", "/proc"]
