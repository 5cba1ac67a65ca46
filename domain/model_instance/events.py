"""What can happen to an instance."""

from datetime import datetime
from typing import ClassVar

from domain.model_instance.specification import RunKind, Specification
from domain.shared.activity import Event
from domain.shared.ids import Name


class _OfInstance(Event, frozen=True, kw_only=True):
    name: Name

    def resource(self) -> tuple[str, str]:
        return "model_instance", self.name


class InstanceCreated(_OfInstance, frozen=True, kw_only=True):
    """An instance exists; its predictions dataset was created in the same append."""

    ACTIONS: ClassVar = ("model_instance.created",)
    specification: Specification
    output_dataset: Name


class InstanceUpdated(_OfInstance, frozen=True, kw_only=True):
    """The configuration of later runs changed; runs in flight keep what they pinned."""

    ACTIONS: ClassVar = ("model_instance.updated",)
    specification: Specification
    changed: tuple[str, ...]
    """The names of the changed fields, sorted."""


class InstanceVersionNumbered(_OfInstance, frozen=True, kw_only=True):
    """The instance gave its next version number to the result of a training run: numbers have no holes."""

    ACTIONS: ClassVar = ("model_instance.version_numbered",)
    number: int
    run_id: str


class InstanceActiveVersionChanged(_OfInstance, frozen=True, kw_only=True):
    """Which version is in production changed; None is no version at all."""

    ACTIONS: ClassVar = ("model_instance.active_version_changed",)
    active: int | None
    former: int | None


class InstanceArchived(_OfInstance, frozen=True, kw_only=True):
    """The instance is closed for good."""

    ACTIONS: ClassVar = ("model_instance.archived",)


class SlotSkipped(_OfInstance, frozen=True, kw_only=True):
    """A scheduled slot was passed over, and why: a schedule never forgets silently."""

    ACTIONS: ClassVar = ("model_instance.slot_skipped",)
    kind: RunKind
    slot: datetime
    cause: str
