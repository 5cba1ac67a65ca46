"""Base classes of a model definition. A definition is a package of five components built on these.

The service's pipelines own everything that can go wrong in time: which rows were known at each decision, the
lag of features, the horizon of labels, walk-forward splits, purge and embargo. A definition says what its
features, its target and its model are.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import polars as pl
import pydantic

DriftMethod = Literal["psi", "wasserstein", "ks"]
"""How far a column has moved from its reference; all three are distances."""
Frames = Mapping[str, pl.DataFrame]
"""Input role → the dataset as it was known at one moment: entity str, date Date, knowledge_date Datetime(us,
UTC), then the dataset's columns; one row a (date, entity), sorted by (date, entity)."""


class Params(pydantic.BaseModel):
    """Hyper-parameters. Subclass with defaults and bounds; the JSON Schema is stored with the definition."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class BaseModel(ABC):
    """The model itself: fit, predict, save, load. No data access, no dates."""

    Params: ClassVar[type[pydantic.BaseModel]] = Params
    format: ClassVar[str] = "files"
    """How the artifact is read, such as `xgboost-json`."""

    def __init__(self, params: pydantic.BaseModel) -> None:
        self.params = params

    @abstractmethod
    def fit(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> None:
        """Fit on rows in (date, entity) order. `features`: float columns only; `target`: one value a row,
        never null.
        """

    @abstractmethod
    def predict(self, features: pl.DataFrame) -> np.ndarray:
        """One row of raw output per row of features: shape (n,) or (n, k)."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's files in a safe format (never pickle) into an empty folder."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, params: pydantic.BaseModel) -> Self:
        """Read what `save` wrote."""

    @property
    def train_facts(self) -> Mapping[str, float]:
        """What the last `fit` measured, such as the log-likelihood per row; a training's evaluator sees
        it.
        """
        return {}


class BaseFeatures(ABC):
    """Features: a pure, causal function of the frames. A row of date d may only use rows with `date <= d`."""

    warm_up: ClassVar[int] = 0
    """Rows of history an entity needs before its first feature."""

    @abstractmethod
    def compute(self, frames: Frames) -> pl.DataFrame:
        """entity str, date Date, then one float column a feature; NaN and null mean missing. Unlagged."""


class BaseTarget(ABC):
    """What is to be predicted for (date, entity), known once its horizon has passed."""

    @abstractmethod
    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        """entity str, date Date, target Float64 (what the model fits), outcome Float64 (what predictions are
        judged by).

        A row of date d may use rows up to session(d, +horizon); rows without a value are left out.
        """


@dataclass(frozen=True)
class WalkForward:
    """How a training run judges itself before it fits the model that it hands over.

    Test block k begins at the k-th refit; the model of a block is fit on rows whose label was known at the
    last session (or row) before the block. `refit_every`: "1y" = calendar years, or a number of decision
    dates.
    """

    first_test: date | int
    """Date of the first test block, or the number of decision dates before it."""
    refit_every: str | int = "1y"
    last_blocks: int | None = None
    """Only the newest so many blocks; None: all."""


class BaseTrainer(ABC):
    """Training: how often decisions are made, how the model is judged, what its metrics are."""

    features: ClassVar[type[BaseFeatures]]
    target: ClassVar[type[BaseTarget]]
    model: ClassVar[type[BaseModel]]
    walk_forward: ClassVar[WalkForward | None] = None
    decide_every: ClassVar[int] = 1
    """Decision dates are every n-th date of the features, counted from `first_decision`."""
    first_decision: ClassVar[int] = 0

    def decision_dates(self, dates: list[date]) -> list[date]:
        """Pick the decision dates out of all sessions (or row dates) in order."""
        return dates[self.first_decision :: self.decide_every]


@dataclass(frozen=True)
class Evaluation:
    """Out-of-sample predictions joined with outcomes: date, entity, the output's columns, outcome."""

    frame: pl.DataFrame
    train_facts: Mapping[str, float] = field(default_factory=dict[str, float])
    rejected: pl.DataFrame | None = None
    """Of a filter, what it left out where that is known: date, entity, signal, outcome."""


class BaseEvaluator(ABC):
    """Metrics on held-out data."""

    @abstractmethod
    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        """Metric name → finite value."""


class BasePredictor(ABC):
    """Inference: raw model output → the category's output contract."""

    columns: ClassVar[Mapping[str, str]]
    """Output columns: name → type (`float64`, `int64`, `string`)."""

    @abstractmethod
    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        """From keys (date, entity) and raw output: date, entity and exactly `columns`, one decision date at a
        time or many.

        A filter also gets the features beside its keys and may leave rows out. A relevance gets a key a date
        and feature (its entity) and one value for each.
        """


class BaseMonitor(ABC):
    """Monitoring: data drift against the training reference, realised performance against the baseline.

    It measures. Which figure raises an alert is said by `[[alerts]]` in definition.toml.
    """

    degraded_from: ClassVar[float] = 0.2
    """Relative loss of the key metric from which the model counts as degraded."""
    key_metric: ClassVar[str]
    lower_is_better: ClassVar[tuple[str, ...]] = ()
    """Own metrics of which less is better; `log_loss`, `brier`, `error`, `mae`, … are known to be so."""
    window: ClassVar[int] = 63
    """The newest decisions that drift and quality are measured on."""
    drift_method: ClassVar[DriftMethod] = "psi"
    drift_threshold: ClassVar[float] = 0.2
    """Above this score a column has drifted."""
    drift_columns: ClassVar[Mapping[str, tuple[DriftMethod, float]]] = {}
    """Column → method and threshold, where they differ from the usual ones."""
    mixes_simulated: ClassVar[bool] = False
    """Whether live and simulated predictions are judged together; else live ones, if any is realised."""
    evidently: ClassVar[bool] = True
    """Whether Evidently computes the scores and writes its report: some seconds a run."""

    @abstractmethod
    def performance(self, evaluation: Evaluation) -> dict[str, float]:
        """Realised performance of stored predictions whose outcome is known."""
