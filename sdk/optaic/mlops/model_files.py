"""Which files a model may be saved in: those that can be read without running what they hold."""

from pathlib import Path

_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle")
_PROTOCOLS = range(2, 6)
_PROTO, _STOP = 0x80, 0x2E
"""First and last byte of a pickle of protocol 2 and later."""


def pickled_file(folder: Path) -> str | None:
    """The first file below a folder that is a pickle, by its name or its bytes; None if there is none.

    A pickle runs code when it is read. Save scikit-learn with skops, xgboost as ubj or json, lightgbm as
    text, arrays as npy.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and (path.suffix in _SUFFIXES or _is_pickle(path)):
            return path.relative_to(folder).as_posix()
    return None


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(2)
        if len(head) < 2 or head[0] != _PROTO or head[1] not in _PROTOCOLS:  # noqa: PLR2004
            return False
        file.seek(-1, 2)
        return file.read(1)[0] == _STOP
