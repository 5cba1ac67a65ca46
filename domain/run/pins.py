"""What a run fixes when it is submitted, and what it hands over when it is done."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

from domain.shared.ids import Name, Sha256

MetricName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_][A-Za-z0-9_./-]{0,127}(?!\\n)$")]


class PinnedInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One dataset version that the run may read, in its role."""

    dataset: Name
    version: int
    role: str
    use: Literal["input", "outcome", "watched"] = "input"
    """`watched`: a monitoring computes the model's features from it; what it judges is of the other two."""


class PinnedConfig(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How the run reads data: the instance's config at submission, or for inference the model version's."""

    target_col: str | None
    feature_cols: tuple[str, ...] | None
    feature_lag: int
    horizon: int
    train_window: int | None
    calendar: str | None
    decision_time: str | None
    history: str
    max_age: int | None
    embargo: int
    hyper_parameters: dict[str, Any]


class PinnedLimits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the run may use: wall time in seconds, memory in MiB."""

    time_s: int
    memory_mib: int


class PinnedModel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The model version that an inference or monitoring run uses."""

    number: int
    artifact_sha256: Sha256
    trained_as_of: datetime


class DateRange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The decision sessions of an inference run, both ends included."""

    first: date
    last: date


class Artifact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A stored model file, by its hash; `format` names how it is read (`xgboost-json`, `lightgbm-text`,
    `skops`, …).
    """

    sha256: Sha256
    size_bytes: int
    format: str


class MetricPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One value of a metric at a step."""

    name: MetricName
    step: int
    value: float


class StoredFile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Parquet file of a dataset, content-addressed in the store."""

    sha256: Sha256
    rows: int
    size_bytes: int
