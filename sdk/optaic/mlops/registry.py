"""Model versions: register, find, load, move between stages."""

import hashlib
import importlib
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from optaic.mlops import tracking
from optaic.mlops.api import Json
from optaic.mlops.client import Refused, shared_client
from optaic.mlops.model_files import FORMATS, ModelUnsafe, pickled_file
from optaic.mlops.packaging import canonical_zip, unpack_zip

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from optaic.mlops.base import BaseModel
    from optaic.mlops.pipelines.artifact import ModelIndex

_COMPONENTS = ("model", "training", "inference", "monitoring")
_MOVES = ("staging", "production", "archived")


class ArtifactHashMismatch(Exception):
    """The bytes that arrived are not those that were registered: they are not loaded."""

    code = "artifact.hash_mismatch"


class VersionNotFound(Exception):
    """The instance has no such model version."""


@dataclass(frozen=True)
class LoadedModel:
    """A model with what is known of it."""

    model: "BaseModel"
    index: "ModelIndex"
    version: Json

    def predict(self, features: "pl.DataFrame") -> "np.ndarray":
        """Raw output for rows of features; columns are taken by name, in the order of the training."""
        return self.model.predict(features.select(self.index.features))


def register_model(
    model: "BaseModel",
    *,
    features: Sequence[str],
    metrics: Mapping[str, float],
    instance: str | None = None,
    as_of: datetime | None = None,
    inputs: Mapping[str, str] | None = None,
) -> Json:
    """Hand over a model that was trained here; returns its version, marked `external`.

    Uses the run begun with `tracking.start_run`, else makes one for `instance`. Raises NoActiveRun, Refused,
    ModelUnsafe (of `optaic.mlops.model_files`) where the model was saved as a pickle.
    """
    if instance is not None:
        with tracking.start_run(
            instance, as_of=as_of, inputs=inputs, params=model.params.model_dump(mode="json")
        ):
            return register_model(model, features=features, metrics=metrics)
    run = tracking.active_run()
    client = shared_client()
    known = client.get_model_instance(run.instance)["specification"]["definition"]
    content = _model_file(model, features, f"{known['name']}@{known['version']}")
    stored = client.store_blob(content)
    tracking.flush_metrics()
    client.complete_run(
        run.run_id,
        run.token,
        metrics=dict(metrics),
        artifact={"sha256": stored["sha256"], "size_bytes": len(content), "format": model.format},
        facts=run.facts,
    )
    run.finish()
    done = client.get_run(run.run_id)
    return client.get_version(f"{run.instance}@{done['model_version']}")


def get_latest_version(instance: str, stage: str | None = None) -> Json:
    """The newest model version of an instance, of one stage or of any; raises VersionNotFound."""
    found = shared_client().list_versions(instance, limit=1, **({"stage": stage} if stage else {}))["items"]
    if not found:
        raise VersionNotFound(f"{instance} has no version" + (f" in {stage}" if stage else ""))
    return found[0]


def get_version(ref: str, stage: str | None = None, as_of: str | int | None = None) -> Json:
    """The version that `spx-alpha@3`, `spx-alpha`, `models:/spx-alpha/3` or `models:/spx-alpha/production`
    names.

    Without number and stage: the one in production. `as_of` is a moment of the log: a position or a time.
    """
    name, number, named_stage = _parsed(ref)
    moment = {} if as_of is None else {"as_of": as_of}
    if number is not None:
        return shared_client().get_version(f"{name}@{number}", **moment)
    wanted = stage or named_stage or "production"
    if wanted != "production":
        found = shared_client().list_versions(name, stage=wanted, limit=1, **moment)["items"]
        if not found:
            raise VersionNotFound(f"{name} has no version in {wanted}")
        return found[0]
    current = shared_client().get_production_version(name, **moment)["current"]
    if current is None:
        raise VersionNotFound(f"{name} has no version in production")
    return shared_client().get_version(str(current["ref"]), **moment)


def load_model(ref: str, stage: str | None = None, as_of: str | int | None = None) -> LoadedModel:
    """Fetch a model, check its hash, and load it with the code of its definition.

    References as in `get_version`. Raises ArtifactHashMismatch, VersionNotFound, Refused, and ModelUnsafe or
    ModelTypeUntrusted (of `optaic.mlops.model_files`) where its file would run code.
    """
    from optaic.mlops.pipelines.artifact import read_index, read_model

    version = get_version(ref, stage, as_of)
    content = checked_artifact(version)
    definition = version["definition"]
    package = shared_client().definition_source(definition["name"], definition["version"])
    if hashlib.sha256(package).hexdigest() != version["package_sha256"]:
        raise ArtifactHashMismatch(f"the package of {version['ref']} is not the one that was submitted")
    with tempfile.TemporaryDirectory(prefix="optaic-model-") as folder:
        files, code = Path(folder) / "files", Path(folder) / "code"
        unpack_zip(content, files)
        unpack_zip(package, code)
        index = read_index(files)
        _check_safe(files)
        manifest = shared_client().get_definition(definition["name"], definition["version"])["manifest"]
        model = read_model(files, _model_class(code, manifest["entry_points"]["model"]), index)
        return LoadedModel(model, index, version)


def checked_artifact(version: Json) -> bytes:
    """A version's model file, a zip; raises ArtifactHashMismatch where it is not the registered one."""
    content = shared_client().download_artifact(version["ref"])
    if hashlib.sha256(content).hexdigest() != version["artifact_sha256"]:
        raise ArtifactHashMismatch(f"{version['ref']} is not the file that was registered")
    return content


def transition_stage(ref: str, stage: str, *, reason: str) -> Json:
    """Move a version to `staging`, `production` or `archived`; raises Refused (with the gate's report)."""
    client = shared_client()
    if stage == "staging":
        return client.stage_version(ref, reason=reason)
    if stage == "production":
        return client.promote_version(ref, reason=reason)
    if stage == "archived":
        return client.archive_version(ref, reason=reason)
    raise ValueError(f"{stage!r} is none of {', '.join(_MOVES)}")


def rollback(instance: str, *, reason: str, number: int | None = None) -> Json:
    """Take the former production version back, or the one named; raises Refused."""
    return shared_client().rollback(instance, reason=reason, number=number)


def _model_file(model: "BaseModel", features: Sequence[str], definition: str) -> bytes:
    from optaic.mlops.pipelines.artifact import ModelIndex, write_model

    index = ModelIndex(
        definition=definition,
        entry_point=f"{type(model).__module__}:{type(model).__name__}",
        format=model.format,
        features=tuple(features),
        hyper_parameters=model.params.model_dump(mode="json"),
        output_columns={},
    )
    with tempfile.TemporaryDirectory(prefix="optaic-model-") as folder:
        write_model(Path(folder), model, index)
        _check_safe(Path(folder))
        return canonical_zip(Path(folder))


def _check_safe(folder: Path) -> None:
    unsafe = pickled_file(folder)
    if unsafe is not None:
        raise ModelUnsafe(f"{unsafe} is a pickle: save {FORMATS}")


def _parsed(ref: str) -> tuple[str, int | None, str | None]:
    if ref.startswith("models:/"):
        name, _, rest = ref.removeprefix("models:/").partition("/")
        return (name, int(rest), None) if rest.isdigit() else (name, None, rest or None)
    name, at, number = ref.partition("@")
    if at and not number.isdigit():
        raise ValueError(f"{ref!r} is not a model version such as spx-alpha@3")
    return name, int(number) if at else None, None


def _model_class(code: Path, entry_point: str) -> "type[BaseModel]":
    """Import the model class of an unpacked definition, without the modules of another one."""
    for name in [name for name in sys.modules if name.partition(".")[0] in _COMPONENTS]:
        del sys.modules[name]
    sys.path.insert(0, str(code))
    try:
        importlib.invalidate_caches()
        module, _, name = entry_point.partition(":")
        found: type[BaseModel] = getattr(importlib.import_module(module), name)
        return found
    finally:
        sys.path.remove(str(code))


__all__ = [
    "ArtifactHashMismatch",
    "LoadedModel",
    "ModelUnsafe",
    "Refused",
    "VersionNotFound",
    "get_latest_version",
    "get_version",
    "load_model",
    "register_model",
    "rollback",
    "transition_stage",
]
