"""What a sandboxed program sees of this machine: the system's libraries, its interpreter, its own folders."""

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import infrastructure

TMPFS_BYTES = 256 << 20
_SERVICE = Path(infrastructure.__file__).parents[1]
_SERVICE_FOLDERS = ("application", "domain", "infrastructure", "projections")
_SYSTEM = (
    "/usr",
    "/etc/alternatives",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/timezone",
)
_LINKS = ("/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin")
_ASK = "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path]))"


@dataclass(frozen=True)
class View:
    """Paths that exist inside, under their own names; everything else does not."""

    read_only: tuple[str, ...]
    hidden: tuple[str, ...]
    """Empty folders inside, because what they lie in is shown."""
    links: dict[str, str]
    """Symbolic links, such as `/lib` → `usr/lib`."""
    writable: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    """Read-only paths that may lie in hidden or writable ones."""


def view_of(
    python: Path, *, hidden: tuple[Path, ...], writable: tuple[Path, ...], late: tuple[Path, ...]
) -> View:
    """What a program of an interpreter sees, its own folders added."""
    plain, links = _system()
    shown = _outermost([*plain, *interpreter_paths(python)])
    inside = [str(one) for one in (*hidden, *_service_code()) if any(_lies_in(str(one), at) for at in shown)]
    return View(
        read_only=tuple(shown),
        hidden=tuple(inside),
        links=links,
        writable=tuple(map(str, writable)),
        late=tuple(str(one) for one in late if one.exists()),
    )


@cache
def interpreter_paths(python: Path) -> tuple[str, ...]:
    """Where an interpreter and all that it can import lie, but for this service's own code beside it."""
    answer = subprocess.run(
        [str(python), "-P", "-s", "-c", _ASK], capture_output=True, check=True, timeout=60, cwd="/", env={}
    )
    told: list[str] = json.loads(answer.stdout)
    paths = [os.path.abspath(one) for one in told if os.path.exists(one)]  # noqa: PTH100, PTH110  # links stay links
    return tuple(one for one in dict.fromkeys([*paths, *_names_of(python)]) if Path(one) != _SERVICE)


def _names_of(python: Path) -> list[str]:
    """The interpreter's file and every link that leads to it."""
    names = [str(python.absolute())]
    while (at := Path(names[-1])).is_symlink():
        names.append(os.path.normpath(at.parent / at.readlink()))
    return names


def _service_code() -> tuple[Path, ...]:
    """This service's packages, where they are installed among those that the program may import."""
    return tuple(_SERVICE / name for name in _SERVICE_FOLDERS)


def _system() -> tuple[list[str], dict[str, str]]:
    plain = [one for one in _SYSTEM if Path(one).exists()]
    links = {one: str(Path(one).readlink()) for one in _LINKS if Path(one).is_symlink()}
    return plain + [one for one in _LINKS if one not in links and Path(one).is_dir()], links


def _outermost(paths: list[str]) -> list[str]:
    """Without those that lie in another one."""
    found: list[str] = []
    for path in sorted(set(paths), key=len):
        if not any(_lies_in(path, one) for one in found):
            found.append(path)
    return found


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
