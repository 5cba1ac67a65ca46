"""What a run is told of itself: everything that was pinned when it was submitted."""

from datetime import date
from typing import Any, Literal

import pydantic


class _Told(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="ignore")


class Input(_Told):
    """One dataset version that the run may read, in its role."""

    dataset: str
    version: int
    role: str
    use: Literal["input", "outcome", "watched"] = "input"
    calendar: str | None = None
    simulated: tuple[tuple[int, int], ...] = ()
    """Predictions: first and last `seq` of the rows that were recorded too late to be live."""


class Config(_Told):
    """How the run reads data and trains; sessions are those of the calendar, else rows of the data."""

    target_col: str | None = None
    feature_cols: tuple[str, ...] | None = None
    feature_lag: int = 1
    horizon: int = 1
    train_window: int | None = None
    calendar: str | None = None
    decision_time: str | None = None
    history: Literal["vintage", "restated"] = "vintage"
    max_age: int | None = None
    embargo: int = 0
    hyper_parameters: dict[str, Any] = {}


class Model(_Told):
    """The model version used: its number, the moment whose knowledge it holds, its unpacked artifact."""

    number: int
    trained_as_of: pydantic.AwareDatetime
    folder: str


class Decisions(_Told):
    """A range of decision sessions, both ends included."""

    first: date
    last: date


class RunDescription(_Told):
    """A run as it was pinned."""

    run_id: str
    kind: Literal["training", "inference", "monitoring"]
    instance: str
    definition: str
    category: str
    entry_points: dict[str, str]
    package_folder: str
    as_of: pydantic.AwareDatetime
    decisions: Decisions | None = None
    config: Config
    inputs: tuple[Input, ...]
    output_dataset: str
    feature_roles: dict[str, str] = {}
    """Monitoring: the name of each input that features use → the role that it was pinned under."""
    model: Model | None = None
