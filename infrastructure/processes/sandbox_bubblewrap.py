"""Level L3: the command line of bubblewrap."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from infrastructure.processes.sandbox_view import TMPFS_BYTES, View

_ALONE = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv")


def bubblewrap_arguments(
    bubblewrap: Path, view: View, command: Sequence[str], env: Mapping[str, str], cwd: Path
) -> list[str]:
    """Nothing of the machine but the view, of our environment only `env`, no network, no capability."""
    arguments = [str(bubblewrap), *_ALONE]
    for link, target in view.links.items():
        arguments += ["--symlink", target, link]
    for path in view.read_only:
        arguments += ["--ro-bind", path, path]
    for path in view.hidden:
        arguments += ["--tmpfs", path]
    arguments += ["--size", str(TMPFS_BYTES), "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"]  # noqa: S108  # a name inside
    for path in view.writable:
        arguments += ["--bind", path, path]
    for path in view.late:
        arguments += ["--ro-bind", path, path]
    for name, value in env.items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--chdir", str(cwd), "--", *command]
