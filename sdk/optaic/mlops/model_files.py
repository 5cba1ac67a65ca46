"""Model files in formats that can be read without running what they hold; equal models give equal files.

    path = model_files.save(fitted, folder)                          # picks the format by what it is
    fitted = model_files.load(path, trusted=["features.rank.Ranker"])

| what | file | read as |
|---|---|---|
| scikit-learn | `.skops` | itself; types that skops does not know have to be named in `trusted` |
| xgboost | `.ubj` | `xgboost.Booster` |
| lightgbm | `.txt` | `lightgbm.Booster` |
| a numpy array, or several by name | `.npy`, `.npz` | the same |
| numbers, texts, lists, mappings | `.json` | the same |

A model with trees needs `trusted=["sklearn.tree._tree.Tree"]`: its nodes are not checked, so that a file made
for it may crash the reader. Pickle, joblib and their like are refused.
`pip install optaic-mlops[sklearn]`, `[xgboost]`, `[lightgbm]`.
"""

import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from optaic.mlops.skops_files import ModelTypeUntrusted, read_skops, write_skops

_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle")
_PROTOCOLS = range(2, 6)
_PROTO, _STOP = 0x80, 0x2E
"""First and last byte of a pickle of protocol 2 and later."""
_NPY = b"\x93NUMPY"
_HEADER_BYTES = 256
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x06"
"""How a zip's end record begins, and the one of 64 bits that may stand 76 bytes before it."""
_TAIL_BYTES = 22 + 76 + 0xFFFF
_DIRECTORY_BYTES_MAX = 1 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, ValueError, OSError)
FORMATS = (
    "scikit-learn as skops, xgboost as ubj or json, lightgbm as text, arrays as npy or npz, the rest as json"
)


class ModelUnsafe(Exception):
    """The file is a pickle, which runs code when it is read: it is neither registered nor read."""

    code = "run.model_unsafe"


class ModelFormatUnknown(Exception):
    """No safe format holds this; the message says which there are."""


def save(value: object, folder: Path, name: str = "model") -> Path:
    """Write a fitted model or plain numbers below an existing folder; returns the file that was written.

    Equal models give equal bytes. Raises ModelFormatUnknown.
    """
    suffix, write = _writer(value)
    path = folder / f"{name}{suffix}"
    write(path)
    return path


def load(path: Path, *, trusted: Sequence[str] = ()) -> Any:
    """Read what `save` wrote; `trusted` names types beyond those of scikit-learn and numpy that may be made.

    Raises ModelUnsafe for a pickle, ModelTypeUntrusted, ModelFormatUnknown, ValueError for a broken file.
    """
    if path.suffix in _SUFFIXES or _is_pickle(path):
        raise ModelUnsafe(f"{path.name} is a pickle: save {FORMATS}")
    if path.suffix == ".skops":
        return read_skops(path, trusted)
    read = _READERS.get(path.suffix)
    if read is None:
        raise ModelFormatUnknown(f"{path.name} has none of the formats that can be read: {FORMATS}")
    return read(path)


def pickled_file(folder: Path) -> str | None:
    """The first file below a folder that is or holds a pickle, by name or bytes; None if there is none.

    A pickle runs code when it is read. Save scikit-learn with skops, xgboost as ubj or json, lightgbm as
    text, arrays as npy.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and _holds_pickle(path):
            return path.relative_to(folder).as_posix()
    return None


def _holds_pickle(path: Path) -> bool:
    return path.suffix in _SUFFIXES or _is_pickle(path) or _has_objects(path) or _zips_pickle(path)


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(2)
        if len(head) < 2 or head[0] != _PROTO or head[1] not in _PROTOCOLS:  # noqa: PLR2004
            return False
        file.seek(-1, 2)
        return file.read(1)[0] == _STOP


def _has_objects(path: Path) -> bool:
    """An array of Python objects is a pickle within a npy file."""
    with path.open("rb") as file:
        return _is_object_array(file.read(_HEADER_BYTES))


def _is_object_array(head: bytes) -> bool:
    return head.startswith(_NPY) and b"'descr': '|O'" in head


def _zips_pickle(path: Path) -> bool:
    """A member is a pickle by its name, as in a file of PyTorch, or an array of objects, as in a npz. A file
    with too many members to look at counts as one that holds a pickle.
    """
    if _has_long_directory(path):
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            return any(one.filename.endswith(_SUFFIXES) or _has_objects_in(archive, one) for one in members)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return False


def _has_long_directory(path: Path) -> bool:
    """Whether a zip's directory, which `zipfile` reads as a whole, is longer than that of any model, by one
    of the end records that could be taken for the file's.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        begins = file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
    at = tail.find(_END)
    while at >= 0:
        lengths = [tail[at + 12 : at + 16]]
        if tail[max(at - 76, 0) :].startswith(_END_64):
            lengths.append(tail[at - 36 : at - 28])
        if any(_DIRECTORY_BYTES_MAX < int.from_bytes(one, "little") <= begins + at for one in lengths):
            return True
        at = tail.find(_END, at + 1)
    return False


def _has_objects_in(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """A member that cannot be read here is read nowhere else."""
    if not member.filename.endswith(".npy"):
        return False
    with suppress(*_BROKEN), archive.open(member) as file:
        return _is_object_array(file.read(_HEADER_BYTES))
    return False


Write = Callable[[Path], object]


def _writer(value: object) -> tuple[str, Write]:
    """The format that a value is kept in: by the library that its class comes from."""
    for of in type(value).__mro__:
        found = _WRITERS.get(of.__module__.partition(".")[0])
        if found is not None:
            return found(value)
    return _json_writer(value)


def _sklearn_writer(value: object) -> tuple[str, Write]:
    return ".skops", lambda path: write_skops(value, path)


def _xgboost_writer(value: object) -> tuple[str, Write]:
    _check_no_labels(value)
    return ".ubj", cast("Any", value).save_model


def _lightgbm_writer(value: object) -> tuple[str, Write]:
    _check_no_labels(value)
    booster = getattr(value, "booster_", value)
    return ".txt", cast("Any", booster).save_model


def _check_no_labels(value: object) -> None:
    """The boosters' own files have no place for the labels of a classifier."""
    if hasattr(value, "classes_"):
        name = type(value).__name__
        raise ModelFormatUnknown(f"the file of a {name} has no labels: save its booster, and them as json")


def _numpy_writer(value: object) -> tuple[str, Write]:
    import numpy as np

    if not isinstance(value, np.ndarray):
        return _json_writer(value)
    array = cast("np.ndarray[Any, Any]", value)
    _check_plain(array)
    return ".npy", lambda path: np.save(path, array, allow_pickle=False)


def _json_writer(value: object) -> tuple[str, Write]:
    arrays = _named_arrays(value)
    if arrays:
        return ".npz", lambda path: _write_arrays(arrays, path)
    try:
        text = json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        name = type(value).__qualname__
        raise ModelFormatUnknown(f"{name} has no safe format ({error}): save {FORMATS}") from None
    return ".json", lambda path: path.write_text(text + "\n", encoding="utf-8")


def _named_arrays(value: object) -> dict[str, Any]:
    """The arrays of a mapping of nothing else; empty for anything else."""
    if not isinstance(value, Mapping) or not value:
        return {}
    import numpy as np

    named = dict(cast("Mapping[Any, Any]", value))
    if not all(isinstance(key, str) and isinstance(one, np.ndarray) for key, one in named.items()):
        return {}
    return named


def _write_arrays(arrays: Mapping[str, Any], path: Path) -> None:
    import numpy as np

    for array in arrays.values():
        _check_plain(array)
    np.savez(path, **{name: arrays[name] for name in sorted(arrays)})


def _check_plain(array: Any) -> None:
    if array.dtype.hasobject:
        raise ModelFormatUnknown("an array of Python objects is a pickle in a file: give it a plain dtype")


_WRITERS: dict[str, Callable[[object], tuple[str, Write]]] = {
    "sklearn": _sklearn_writer,
    "xgboost": _xgboost_writer,
    "lightgbm": _lightgbm_writer,
    "numpy": _numpy_writer,
}
"""Library → how its objects are kept. A class of one's own goes by the library of its nearest base."""


def _read_xgboost(path: Path) -> Any:
    import xgboost

    booster: Any = xgboost.Booster({"nthread": 1})
    booster.load_model(path)
    return booster


def _read_lightgbm(path: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=path)


def _read_array(path: Path) -> Any:
    import numpy as np

    return np.load(path, allow_pickle=False)


def _read_arrays(path: Path) -> Any:
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


_READERS: dict[str, Callable[[Path], Any]] = {
    ".ubj": _read_xgboost,
    ".txt": _read_lightgbm,
    ".npy": _read_array,
    ".npz": _read_arrays,
    ".json": _read_json,
}

__all__ = [
    "FORMATS",
    "ModelFormatUnknown",
    "ModelTypeUntrusted",
    "ModelUnsafe",
    "load",
    "pickled_file",
    "save",
]
