"""A definition's entry points, imported from its unpacked package."""

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from optaic.mlops import base
from optaic.mlops.runner.connection import RunRefused


@dataclass(frozen=True)
class Components:
    """The classes that a definition is made of."""

    model: type[base.BaseModel]
    features: type[base.BaseFeatures]
    target: type[base.BaseTarget]
    trainer: type[base.BaseTrainer]
    evaluator: type[base.BaseEvaluator]
    predictor: type[base.BasePredictor]
    monitor: type[base.BaseMonitor]


BASES: dict[str, type] = {
    "model": base.BaseModel,
    "features": base.BaseFeatures,
    "target": base.BaseTarget,
    "trainer": base.BaseTrainer,
    "evaluator": base.BaseEvaluator,
    "predictor": base.BasePredictor,
    "monitor": base.BaseMonitor,
}
"""Entry point → the base class that it must be built on."""


def put_on_path(package: Path) -> None:
    """The package's root goes first, so that components import each other absolutely."""
    sys.path.insert(0, str(package))


def load_class(role: str, target: str) -> type:
    """Import one entry point; raises RunRefused where it is not what its role asks for."""
    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, type) or not issubclass(found, BASES[role]):
        raise RunRefused("definition.entry_point_missing", f"{role}: {target} is no {BASES[role].__name__}")
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise RunRefused("definition.entry_point_missing", f"{role}: {target} does not define {missing[0]}")
    return found


def load_components(entry_points: Mapping[str, str]) -> Components:
    """Import every entry point."""
    return Components(**{role: load_class(role, entry_points[role]) for role in BASES})
