"""Small definition packages, written to order: working ones, and ones that misbehave in one place."""

import hashlib
from pathlib import Path

from optaic.mlops.packaging import pack

TOML = """
name = "steady"
version = "1.0.0"
category = "signal"
description = "Least squares on two momentum features."
requirements = ["polars>=2", "numpy"]

[entry_points]
model = "model.linear:Linear"
features = "training.parts:Features"
target = "training.parts:Target"
trainer = "training.parts:Trainer"
evaluator = "training.parts:Evaluator"
predictor = "inference.predictor:Predictor"
monitor = "monitoring.monitor:Monitor"

[[inputs]]
role = "prices"
columns = ["close"]
description = "Daily closes."

[[contracts]]
kind = "signal.bounds"
config = { column = "signal", low = -1.0, high = 1.0 }
enforce = "block"
"""

LINEAR = '''
"""Least squares, stored as text."""

from pathlib import Path

import numpy as np
import polars as pl
import pydantic
from optaic.mlops.base import BaseModel, Params


class LinearParams(Params):
    """One hyper-parameter."""

    ridge: float = pydantic.Field(default=0.1, ge=0)


class Linear(BaseModel):
    """Ridge regression."""

    Params = LinearParams
    format = "weights-text"

    def __init__(self, params, weights=None):
        super().__init__(params)
        self.weights = weights

    def fit(self, features, target, dates):
        """Solve the normal equations."""
        #FIT
        rows = features.fill_null(0.0).to_numpy()
        penalty = self.params.ridge * np.eye(rows.shape[1])
        self.weights = np.linalg.solve(rows.T @ rows + penalty, rows.T @ target.to_numpy())

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        """Weighted sum."""
        return features.fill_null(0.0).to_numpy() @ self.weights

    def save(self, folder: Path) -> None:
        """One weight a line."""
        (folder / "weights.txt").write_text("\\n".join(float(w).hex() for w in self.weights))

    @classmethod
    def load(cls, folder, params):
        """Read the weights."""
        lines = (folder / "weights.txt").read_text().splitlines()
        return cls(params, np.array([float.fromhex(line) for line in lines]))
'''

PARTS = '''
"""Features, target and judgement."""

import polars as pl
from optaic.mlops.base import BaseEvaluator, BaseFeatures, BaseTarget, BaseTrainer, WalkForward

from model.linear import Linear


class Features(BaseFeatures):
    """One and five day momentum."""

    def compute(self, frames):
        """Causal returns."""
        close = pl.col("close")
        return frames["prices"].sort("entity", "date").select(
            "entity",
            "date",
            (close / close.shift(1).over("entity") - 1).alias("momentum_1"),
            (close / close.shift(5).over("entity") - 1).alias("momentum_5"),
        )


class Target(BaseTarget):
    """Forward return."""

    def compute(self, frames, horizon):
        """Return over the horizon."""
        ahead = pl.col("close").shift(-horizon).over("entity") / pl.col("close") - 1
        rows = frames["prices"].sort("entity", "date").select(
            "entity", "date", ahead.alias("target"), ahead.alias("outcome")
        )
        return rows.drop_nulls("target")


class Trainer(BaseTrainer):
    """Refit every twenty decisions from the thirtieth on."""

    features = Features
    target = Target
    model = Linear
    walk_forward = WalkForward(first_test=30, refit_every=20)


class Evaluator(BaseEvaluator):
    """Correlation and count."""

    def evaluate(self, evaluation):
        """corr and rows."""
        frame = evaluation.frame
        corr = frame.select(pl.corr("signal", "outcome")).item()
        return {"corr": float(corr or 0.0), "rows": float(frame.height)}
'''

PREDICTOR = '''
"""The signal."""

from typing import ClassVar

import numpy as np
import polars as pl
from optaic.mlops.base import BasePredictor


class Predictor(BasePredictor):
    """Clipped and scaled score."""

    columns: ClassVar = {"signal": "float64"}

    def rows(self, keys, raw):
        """One signal a key."""
        return keys.with_columns(pl.Series("signal", np.clip(raw * 10, -1, 1)))
'''

MONITOR = '''
"""Realised performance."""

from optaic.mlops.base import BaseMonitor

from training.parts import Evaluator


class Monitor(BaseMonitor):
    """The evaluator's metrics."""

    key_metric = "corr"
    evidently = False

    def performance(self, evaluation):
        """On realised outcomes."""
        return Evaluator().evaluate(evaluation)
'''

TESTS = '''
"""The definition's own tests."""

import numpy as np
import polars as pl

from model.linear import Linear, LinearParams


def test_the_model_learns_a_line():
    features = pl.DataFrame({"a": [0.0, 1.0, 2.0]})
    model = Linear(LinearParams(ridge=0.0))
    model.fit(features, pl.Series([0.0, 2.0, 4.0]), pl.Series([1, 2, 3]))
    assert np.allclose(model.predict(features), [0, 2, 4])


def test_defaults_hold():
    assert LinearParams().ridge == 0.1
'''

FILES = {
    "definition.toml": TOML,
    "model/__init__.py": '"""The model."""\n',
    "model/linear.py": LINEAR,
    "training/__init__.py": '"""Training."""\n',
    "training/parts.py": PARTS,
    "inference/__init__.py": '"""Inference."""\n',
    "inference/predictor.py": PREDICTOR,
    "monitoring/__init__.py": '"""Monitoring."""\n',
    "monitoring/monitor.py": MONITOR,
    "tests/test_model.py": TESTS,
    "docs/overview.md": "# Steady\n",
}


def written(folder: Path, changes: dict[str, str | None] | None = None) -> Path:
    """A package folder; `changes` replaces files, or leaves them out (None)."""
    for name, text in {**FILES, **(changes or {})}.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.lstrip("\n"), encoding="utf-8")
    return folder


def packed(folder: Path, changes: dict[str, str | None] | None = None) -> bytes:
    """The zip of such a package."""
    return pack(written(folder, changes))


def with_fit(lines: str) -> dict[str, str | None]:
    """A package whose `fit` does something else first."""
    body = "\n        ".join(lines.strip().splitlines())
    return {"model/linear.py": LINEAR.replace("#FIT", body)}


def sha256(content: bytes) -> str:
    """Hash of a package."""
    return hashlib.sha256(content).hexdigest()
