"""Purges: the event is the decision, deleting the bytes is what follows."""

from application.policies.context import PolicyContext
from domain.dataset.events import DatasetVersionPurged
from domain.model_version.events import VersionPurged
from domain.shared.activity import RecordedEvent


def delete_artifact(recorded: RecordedEvent, context: PolicyContext) -> None:
    """Delete a model file's bytes; doing it again changes nothing."""
    if isinstance(recorded.event, VersionPurged):
        context.services.artifacts.purge(recorded.event.artifact_sha256)


def delete_files(recorded: RecordedEvent, context: PolicyContext) -> None:
    """Delete the bytes that a dataset version added; doing it again changes nothing."""
    if isinstance(recorded.event, DatasetVersionPurged):
        context.services.datasets.purge(recorded.event.files)
