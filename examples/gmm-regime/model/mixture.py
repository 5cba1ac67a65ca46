"""A mixture of two Gaussians on standardised features, stored as plain numbers in JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import pydantic
from optaic.mlops.base import BaseModel, Params

MODEL_FILE = "mixture.json"
STATES = 2


class MixtureParams(Params):
    """Hyper-parameters of the fit by expectation maximisation."""

    n_init: int = pydantic.Field(default=2, ge=1, le=100, description="Starts; the best of them is kept.")
    max_iter: int = pydantic.Field(default=100, ge=1, le=10_000, description="Iterations of each start.")
    seed: int = pydantic.Field(default=0, ge=0, description="Seed of the starts.")


@dataclass(frozen=True)
class Mixture:
    """Everything that prediction needs: the training window's scaling and the states, the best growth first."""

    features: list[str]
    center: list[float]
    scale: list[float]
    weights: list[float]
    means: list[list[float]]
    covariances: list[list[list[float]]]
    log_likelihood_per_row: float


class MixtureModel(BaseModel):
    """Two states, ordered by the mean of the first feature from high to low, or labels would flip between refits."""

    Params = MixtureParams
    format = "mixture-json"

    def __init__(self, params: pydantic.BaseModel, mixture: Mixture | None = None) -> None:
        super().__init__(params)
        self.mixture = mixture

    def fit(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> None:
        """Fit without the target; scaling is taken from these rows only. Raises ValueError on missing values."""
        from sklearn.mixture import GaussianMixture

        params = MixtureParams.model_validate(self.params.model_dump())
        rows = _complete(features)
        center, scale = rows.mean(axis=0), rows.std(axis=0)
        found = GaussianMixture(
            STATES, n_init=params.n_init, max_iter=params.max_iter, random_state=params.seed
        )
        found.fit((rows - center) / scale)
        order = np.argsort(-found.means_[:, 0])
        self.mixture = Mixture(
            features=features.columns,
            center=center.tolist(),
            scale=scale.tolist(),
            weights=found.weights_[order].tolist(),
            means=found.means_[order].tolist(),
            covariances=found.covariances_[order].tolist(),
            log_likelihood_per_row=float(found.score((rows - center) / scale)),
        )

    @property
    def train_facts(self) -> dict[str, float]:
        """log_likelihood_per_row of the training rows under the fitted mixture."""
        return {"log_likelihood_per_row": self._fitted().log_likelihood_per_row}

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        """Probability of each state given each row alone (filtered, never smoothed): shape (n, 2), rows sum to 1."""
        mixture = self._fitted()
        rows = (_complete(features.select(mixture.features)) - mixture.center) / mixture.scale
        joint = np.column_stack([_log_density(rows, mixture, state) for state in range(STATES)])
        likelihood = np.exp(joint - joint.max(axis=1, keepdims=True))
        return likelihood / likelihood.sum(axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        """Write `mixture.json`; floats are written so that they read back exactly."""
        (folder / MODEL_FILE).write_text(
            json.dumps(asdict(self._fitted()), indent=1) + "\n", encoding="utf-8"
        )

    @classmethod
    def load(cls, folder: Path, params: pydantic.BaseModel) -> Self:
        """Read `mixture.json`."""
        return cls(params, Mixture(**json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))))

    def _fitted(self) -> Mixture:
        if self.mixture is None:
            message = "the model has not been fitted or loaded"
            raise RuntimeError(message)
        return self.mixture


def _complete(features: pl.DataFrame) -> np.ndarray:
    rows = features.cast(pl.Float64).to_numpy()
    if not np.isfinite(rows).all():
        message = "a mixture needs every feature of every row"
        raise ValueError(message)
    return rows


def _log_density(rows: np.ndarray, mixture: Mixture, state: int) -> np.ndarray:
    """Log of weight times normal density, up to the constant that all states share."""
    centered = rows - np.array(mixture.means[state])
    covariance = np.array(mixture.covariances[state])
    distance = np.einsum("ij,ij->i", centered, np.linalg.solve(covariance, centered.T).T)
    return np.log(mixture.weights[state]) - 0.5 * (distance + np.linalg.slogdet(covariance)[1])
