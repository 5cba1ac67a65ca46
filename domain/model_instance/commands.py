"""What can be asked of an instance."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from domain.model_instance.specification import (
    AlertRules,
    Config,
    DatasetBinding,
    Limits,
    PromotionPolicy,
    RunKind,
    Schedule,
    Specification,
)
from domain.shared.command import Command
from domain.shared.ids import Name
from domain.shared.references import DefinitionRef
from domain.shared.text import Tag, Text
from domain.shared.times import Instant


class CreateInstance(Command, frozen=True, kw_only=True):
    """Create an instance and its predictions dataset."""

    TYPE: ClassVar = "create_instance"
    name: Name
    definition: str
    """`name@1.2.0`."""
    description: Text = ""
    training_datasets: tuple[DatasetBinding, ...] = ()
    inference_datasets: tuple[DatasetBinding, ...] | None = None
    """Default: the training datasets."""
    output_dataset: Name | None = None
    """Default: `<instance>-predictions`."""
    outcome_dataset: Name | None = None
    config: Config = Config()
    schedules: tuple[Schedule, ...] = ()
    limits: Limits = Limits()
    owner: str | None = None
    """Default: who sends the command."""
    space: Literal["staging", "official"] = "staging"
    tags: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=64)] = ()
    promotion_policy: PromotionPolicy = PromotionPolicy()
    override: bool | UnsetType = UNSET
    """Let it pass a gate that blocks; needs a reason, and the role operator."""
    alert_rules: AlertRules | UnsetType = UNSET
    """Default: those of the definition."""

    def specification(self, sender: str) -> Specification:
        """The specification that this command asks for, its defaults filled in."""
        return Specification(
            definition=DefinitionRef.parse(self.definition),
            description=self.description,
            training_datasets=self.training_datasets,
            inference_datasets=self.training_datasets
            if self.inference_datasets is None
            else self.inference_datasets,
            outcome_dataset=self.outcome_dataset,
            config=self.config,
            schedules=self.schedules,
            limits=self.limits,
            owner=self.owner or sender,
            space=self.space,
            tags=tuple(sorted(set(self.tags))),
            promotion_policy=self.promotion_policy,
            alert_rules=self.alert_rules,
        )


class UpdateInstance(Command, frozen=True, kw_only=True):
    """Change the configuration of later runs; fields that are left out stay."""

    TYPE: ClassVar = "update_instance"
    name: Name
    definition: str | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    training_datasets: tuple[DatasetBinding, ...] | UnsetType = UNSET
    inference_datasets: tuple[DatasetBinding, ...] | UnsetType = UNSET
    outcome_dataset: Name | UnsetType | None = UNSET
    config: Config | UnsetType = UNSET
    schedules: tuple[Schedule, ...] | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    space: Literal["staging", "official"] | UnsetType = UNSET
    tags: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=64)] | UnsetType = UNSET
    promotion_policy: PromotionPolicy | UnsetType = UNSET
    override: bool | UnsetType = UNSET
    """Let it pass a gate that blocks; needs a reason, and the role operator."""
    alert_rules: AlertRules | UnsetType | None = UNSET
    """All of them, in the place of those that hold; null: those of the definition again."""


class ArchiveInstance(Command, frozen=True, kw_only=True):
    """Close an instance for good: pending runs are cancelled, the active version retires. Needs a reason."""

    TYPE: ClassVar = "archive_instance"
    NEEDS_REASON: ClassVar = True
    name: Name


class SkipSlot(Command, frozen=True, kw_only=True):
    """Record that a scheduled slot was passed over."""

    TYPE: ClassVar = "skip_slot"
    INTERNAL: ClassVar = True
    name: Name
    kind: RunKind
    slot: Instant
    cause: str
