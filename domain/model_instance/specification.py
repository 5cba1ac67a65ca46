"""The configuration of an instance: what its later runs pin when they are submitted."""

from typing import Annotated, Any, Literal

import msgspec

from domain.alert_rules import RULES_MAX, AlertRule
from domain.shared.ids import Name
from domain.shared.references import DefinitionRef
from domain.shared.text import NonNegative, Positive, Tag, Text

AlertRules = Annotated[tuple[AlertRule, ...], msgspec.Meta(max_length=RULES_MAX)]
RunKind = Literal["training", "inference", "monitoring"]


class DatasetBinding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A dataset in the role that the definition's code knows it by, optionally pinned to one version."""

    dataset: Name
    role: Name | None = None
    """Default: the dataset's own name."""
    version: Positive | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """How runs read data and train. Sessions are those of `calendar`; without one, rows of the data's own
    frequency.
    """

    target_col: str | None = None
    feature_cols: tuple[str, ...] | None = None
    feature_lag: NonNegative = 1
    horizon: NonNegative = 1
    train_window: Positive | None = None
    calendar: str | None = None
    decision_time: (
        Annotated[
            str,
            msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9] [A-Za-z0-9_+/-]+(?!\\n)$"),
        ]
        | None
    ) = None
    """HH:MM and an IANA zone, such as `16:30 America/New_York`; default: the session's close."""
    history: Literal["vintage", "restated"] = "vintage"
    max_age: Positive | None = None
    embargo: NonNegative = 0
    hyper_parameters: dict[str, Any] = {}


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """When runs of one kind are submitted: by cron in a zone, or after a new version of a dataset."""

    kind: RunKind
    cron: str | None = None
    timezone: str = "UTC"
    after_dataset: Name | None = None
    enabled: bool = True
    misfire: Literal["skip", "run_once", "catch_up"] | msgspec.UnsetType = msgspec.UNSET
    """What becomes of slots that came while nothing submitted runs: none runs, the latest (default), or all
    of the last days; those that do not run are recorded as skipped. Unset, it is not stored: schedules from
    before there was a choice keep their form.
    """


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What one run may use: wall time in seconds, memory in MiB."""

    time_s: Annotated[int, msgspec.Meta(ge=1, le=604_800)] = 3600
    memory_mib: Annotated[int, msgspec.Meta(ge=64, le=1_048_576)] = 4096


class PromotionPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Manual, or automatic when a metric of the new version reaches a threshold and the gate passes."""

    mode: Literal["manual", "automatic"] = "manual"
    metric: str | None = None
    at_least: float | None = None


class Specification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Everything of an instance that an update may change."""

    definition: DefinitionRef
    description: Text = ""
    training_datasets: tuple[DatasetBinding, ...]
    inference_datasets: tuple[DatasetBinding, ...]
    outcome_dataset: Name | None = None
    config: Config = Config()
    schedules: tuple[Schedule, ...] = ()
    limits: Limits = Limits()
    owner: str
    space: Literal["staging", "official"] = "staging"
    tags: tuple[Tag, ...] = ()
    promotion_policy: PromotionPolicy = PromotionPolicy()
    alert_rules: AlertRules | msgspec.UnsetType = msgspec.UNSET
    """On the metrics of its runs. Unset, it is not stored: the rules of the definition hold."""
