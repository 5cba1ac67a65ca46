"""Loads the example definitions into the test process, one by one: their folders have the same names."""

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

EXAMPLES = Path(__file__).parents[2] / "examples"
PACKAGES = (
    "feature-relevance",
    "gmm-regime",
    "nnls-combiner",
    "ranker-filter",
    "rule-signals",
    "xgb-signal",
    "xgb-signal-1.1.0",
)
SECOND_VERSION = "xgb-signal-1.1.0"
"""The folder of a second version of `xgb-signal`."""
COMPONENTS = ("model", "training", "inference", "monitoring")


def load_definition(package: str) -> SimpleNamespace:
    """The classes that a definition.toml names, by role; the interpreter forgets their modules again."""
    root = EXAMPLES / package
    named = tomllib.loads((root / "definition.toml").read_text(encoding="utf-8"))["entry_points"]
    sys.path.insert(0, str(root))
    try:
        return SimpleNamespace(**{role: _class(target) for role, target in named.items()})
    finally:
        sys.path.remove(str(root))
        for name in [name for name in sys.modules if name.split(".")[0] in COMPONENTS]:
            del sys.modules[name]


def _class(target: str) -> type:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
