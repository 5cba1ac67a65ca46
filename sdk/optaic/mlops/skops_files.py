"""scikit-learn in skops files: no type is made that nobody named, and equal models give equal bytes.

skops names arrays by their address in memory and stamps them with the time; both are written anew here, in
the order in which the schema meets them. Padding between the fields of a tree's nodes is zeroed.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

_EPOCH = (1980, 1, 1, 0, 0, 0)
_SCHEMA = "schema.json"


class ModelTypeUntrusted(Exception):
    """The file asks for types that nobody named; `types` lists them."""

    code = "run.model_unsafe"

    def __init__(self, file: str, types: Sequence[str]) -> None:
        self.types = tuple(types)
        told = ", ".join(self.types)
        super().__init__(
            f"{file} would make {told}: name in `trusted` those that you know, or do not read it"
        )


def write_skops(model: object, path: Path) -> None:
    """Write a fitted estimator or pipeline in canonical form; raises what skops raises for what it cannot."""
    import skops.io as skops  # pyright: ignore[reportMissingTypeStubs]

    dumped: bytes = skops.dumps(model)
    path.write_bytes(_canonical(dumped))


def read_skops(path: Path, trusted: Sequence[str]) -> Any:
    """Read an estimator whose types are all known to skops or in `trusted`; raises ModelTypeUntrusted."""
    import skops.io as skops  # pyright: ignore[reportMissingTypeStubs]

    unknown = sorted(set(skops.get_untrusted_types(file=path)) - set(trusted))
    if unknown:
        raise ModelTypeUntrusted(path.name, unknown)
    return skops.load(path, trusted=list(trusted))


def _canonical(dumped: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(dumped)) as archive:
        names = _Names()
        schema = names.renamed(json.loads(archive.read(_SCHEMA)))
        files = {new: archive.read(old) for old, new in names.files.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, _SCHEMA, json.dumps(schema, indent=1).encode())
        for name, content in files.items():
            _add(archive, name, _unpadded(content) if name.endswith(".npy") else content)
    return buffer.getvalue()


class _Names:
    """New names for objects and files, numbered as they are met."""

    def __init__(self) -> None:
        self.ids: dict[int, int] = {}
        self.files: dict[str, str] = {}

    def renamed(self, state: Any) -> Any:
        """The state with new names. What is compared by value only (text, numbers) needs none."""
        if isinstance(state, list):
            return [self.renamed(one) for one in cast("list[Any]", state)]
        if not isinstance(state, dict):
            return state
        node = cast("dict[str, Any]", state)
        if node.get("__loader__") == "SetNode":
            node = {**node, "content": sorted(node["content"], key=_by_value)}
        return {key: self._value(key, one) for key, one in node.items() if not _is_needless(key, node)}

    def _value(self, key: str, value: Any) -> Any:
        if key == "__id__" and isinstance(value, int):
            return self.ids.setdefault(value, len(self.ids) + 1)
        if key == "file" and isinstance(value, str):
            suffix = Path(value).suffix
            return self.files.setdefault(value, f"{len(self.files) + 1}{suffix}")
        return self.renamed(value)


def _is_needless(key: str, node: dict[str, Any]) -> bool:
    return key == "__id__" and node.get("__loader__") == "JsonNode"


def _by_value(state: Any) -> str:
    """What a member of a set is, without the names that this process gave it."""
    return json.dumps(_Names().renamed(state), sort_keys=True)


def _unpadded(content: bytes) -> bytes:
    """The same array; between the fields of its records are zeros."""
    import numpy as np

    array: np.ndarray[Any, Any] = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.create_system = 3
    member.external_attr = 0o100644 << 16
    archive.writestr(member, content)
