"""What can be asked of a model version. `version` is a reference such as `spx-alpha@3`."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from domain.shared.command import Command
from domain.shared.ids import Name
from domain.shared.text import Tag, Text

Number = Annotated[int, msgspec.Meta(ge=1)]


class StageVersion(Command, frozen=True, kw_only=True):
    """none → staging, if the gate passes. Needs a reason."""

    TYPE: ClassVar = "stage_version"
    NEEDS_REASON: ClassVar = True
    instance: Name
    number: Number
    override: bool | UnsetType = UNSET
    """Let it pass a gate that blocks; needs the role operator."""


class PromoteVersion(Command, frozen=True, kw_only=True):
    """staging → production, if the gate passes; the former production version is archived. Needs a reason."""

    TYPE: ClassVar = "promote_version"
    NEEDS_REASON: ClassVar = True
    instance: Name
    number: Number
    override: bool | UnsetType = UNSET
    """Let it pass a gate that blocks; needs the role operator."""


class RollbackVersion(Command, frozen=True, kw_only=True):
    """archived → production. Default: the former production version. Needs a reason."""

    TYPE: ClassVar = "rollback_version"
    NEEDS_REASON: ClassVar = True
    instance: Name
    number: Number | None = None


class ArchiveVersion(Command, frozen=True, kw_only=True):
    """Any stage → archived; on the production version this retires it. Needs a reason."""

    TYPE: ClassVar = "archive_version"
    NEEDS_REASON: ClassVar = True
    instance: Name
    number: Number


class AnnotateVersion(Command, frozen=True, kw_only=True):
    """Change description or tags; fields that are left out stay."""

    TYPE: ClassVar = "annotate_version"
    instance: Name
    number: Number
    description: Text | UnsetType = UNSET
    tags: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=64)] | UnsetType = UNSET


class PurgeVersionArtifact(Command, frozen=True, kw_only=True):
    """Delete the artifact's bytes (licence, law, space); refused for a production version unless forced.
    Needs a reason.
    """

    TYPE: ClassVar = "purge_version_artifact"
    NEEDS_REASON: ClassVar = True
    instance: Name
    number: Number
    force: bool = False
