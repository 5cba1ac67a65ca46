"""What can happen to a model version."""

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from domain.shared.activity import Event
from domain.shared.ids import Name, Sha256
from domain.shared.references import DefinitionRef

Stage = Literal["none", "staging", "production", "archived"]


class VersionInput(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A dataset version that the model was trained on, in its role."""

    dataset: Name
    version: int
    role: str


class FeatureReading(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How the model's features are read: taken by every later inference, whatever the instance's config says
    then.
    """

    target_col: str | None
    feature_cols: tuple[str, ...] | None
    feature_lag: int
    horizon: int
    calendar: str | None
    decision_time: str | None
    history: str
    max_age: int | None


class _OfVersion(Event, frozen=True, kw_only=True):
    instance: Name
    number: int

    def resource(self) -> tuple[str, str]:
        return "model_version", f"{self.instance}@{self.number}"


class VersionRegistered(_OfVersion, frozen=True, kw_only=True):
    """A completed training run made a model version."""

    ACTIONS: ClassVar = ("model_version.registered",)
    run_id: str
    definition: DefinitionRef
    package_sha256: Sha256
    artifact_sha256: Sha256
    artifact_bytes: int
    artifact_format: str
    metrics: dict[str, float]
    hyper_parameters: dict[str, Any]
    inputs: tuple[VersionInput, ...]
    reading: FeatureReading
    trained_as_of: datetime
    stage: Literal["none", "staging"]
    external: bool
    refit: bool

    @property
    def artifact_uri(self) -> str:
        """Where the artifact is: content-addressed in the artifact store."""
        return f"artifact:sha256/{self.artifact_sha256}"


class VersionStaged(_OfVersion, frozen=True, kw_only=True):
    """The version became a candidate for production."""

    ACTIONS: ClassVar = ("model_version.staged",)


class VersionPromoted(_OfVersion, frozen=True, kw_only=True):
    """The version went into production."""

    ACTIONS: ClassVar = ("model_version.promoted",)
    replaces: int | None


class VersionRolledBack(_OfVersion, frozen=True, kw_only=True):
    """An archived version came back into production."""

    ACTIONS: ClassVar = ("model_version.rolled_back",)
    replaces: int | None


class VersionArchived(_OfVersion, frozen=True, kw_only=True):
    """The version left its stage for good, or until a rollback."""

    ACTIONS: ClassVar = ("model_version.archived",)
    former_stage: Stage
    replaced_by: int | None


class VersionAnnotated(_OfVersion, frozen=True, kw_only=True):
    """Description or tags of the version changed."""

    ACTIONS: ClassVar = ("model_version.annotated",)
    description: str
    tags: tuple[str, ...]


class VersionPurged(_OfVersion, frozen=True, kw_only=True):
    """The artifact's bytes are gone; hash and history stay."""

    ACTIONS: ClassVar = ("model_version.purged",)
    artifact_sha256: Sha256
    forced: bool
