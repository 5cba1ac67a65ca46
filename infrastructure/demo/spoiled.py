"""Two copies of an example definition that must not get through: one looks ahead, one lacks a component."""

import shutil
from pathlib import Path

LEAKY = "leaky-rules"
_HONEST, _LEAK = "(1 - close / ago(5))", "(close.shift(-3).over('entity') / close - 1)"
_UNAWARE = (
    "from training.features import Features\n\n\n"
    "def test_features_are_ranks(frames):\n"
    "    ranks = Features().compute(frames)['reversal'].drop_nulls()\n"
    "    assert ranks.is_between(0, 1).all()\n"
)
"""What is left of the package's tests: none that looks for what the feature does."""


def leaky(original: Path, folder: Path) -> Path:
    """`rule-signals` whose reversal knows the close three sessions ahead, under a name of its own."""
    copy = _copied(original, folder / "leaky")
    features = copy / "training" / "features.py"
    text = features.read_text(encoding="utf-8")
    if _HONEST not in text:
        raise ValueError(f"{features} has changed: there is no {_HONEST!r} to spoil")
    features.write_text(text.replace(_HONEST, _LEAK), encoding="utf-8")
    (copy / "tests" / "test_training.py").write_text(_UNAWARE, encoding="utf-8")
    definition = copy / "definition.toml"
    named = definition.read_text(encoding="utf-8").replace('name = "rule-signals"', f'name = "{LEAKY}"')
    definition.write_text(named, encoding="utf-8")
    return copy


def broken(original: Path, folder: Path) -> Path:
    """`rule-signals` without its monitoring."""
    copy = _copied(original, folder / "broken")
    shutil.rmtree(copy / "monitoring")
    return copy


def _copied(original: Path, folder: Path) -> Path:
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
