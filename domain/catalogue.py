"""The literal tables: topic → event class and command type → command class. Nothing is imported by a stored
name.
"""

from domain.access import commands as access_commands
from domain.access import events as access
from domain.alert import commands as alert_commands
from domain.alert import events as alert
from domain.dataset import commands as dataset_commands
from domain.dataset import events as dataset
from domain.guardrails import events as guardrails
from domain.ml_module_def import commands as definition_commands
from domain.ml_module_def import events as definition
from domain.model_instance import commands as instance_commands
from domain.model_instance import events as instance
from domain.model_version import commands as version_commands
from domain.model_version import events as version
from domain.run import commands as run_commands
from domain.run import events as run
from domain.shared.activity import Event
from domain.shared.command import Command

EVENT_CLASSES: tuple[type[Event], ...] = (
    definition.DefinitionSubmitted,
    definition.DefinitionEvaluated,
    definition.DefinitionPublished,
    definition.DefinitionDeprecated,
    instance.InstanceCreated,
    instance.InstanceUpdated,
    instance.InstanceVersionNumbered,
    instance.InstanceActiveVersionChanged,
    instance.InstanceArchived,
    instance.SlotSkipped,
    run.RunSubmitted,
    run.RunStarted,
    run.RunMetricsLogged,
    run.RunCompleted,
    run.RunFailed,
    run.RunReproduced,
    run.RunCancelled,
    guardrails.GuardrailEvaluated,
    version.VersionRegistered,
    version.VersionStaged,
    version.VersionPromoted,
    version.VersionRolledBack,
    version.VersionArchived,
    version.VersionAnnotated,
    version.VersionPurged,
    dataset.DatasetCreated,
    dataset.DatasetVersionWritten,
    dataset.DatasetVersionRegistered,
    dataset.DatasetVersionVerified,
    dataset.DatasetVersionRejected,
    dataset.DatasetVersionCompacted,
    dataset.DatasetVersionPurged,
    alert.AlertRaised,
    alert.AlertAcknowledged,
    alert.AlertResolved,
    access.AccessGranted,
    access.AccessRevoked,
    access.AccessDenied,
)

EVENTS: dict[str, type[Event]] = {
    f"{action}:{cls.SCHEMA_VERSION}": cls for cls in EVENT_CLASSES for action in cls.ACTIONS
}
"""Topic (`training_run.completed:1`) → class, for every form that this code writes."""

COMMANDS: dict[str, type[Command]] = {
    cls.TYPE: cls
    for cls in (
        definition_commands.SubmitDefinition,
        definition_commands.EvaluateDefinition,
        definition_commands.RecordEvaluation,
        definition_commands.PublishDefinition,
        definition_commands.DeprecateDefinition,
        instance_commands.CreateInstance,
        instance_commands.UpdateInstance,
        instance_commands.ArchiveInstance,
        instance_commands.SkipSlot,
        run_commands.SubmitRun,
        run_commands.BackfillInstance,
        run_commands.RetryRun,
        run_commands.ReproduceRun,
        run_commands.StartRun,
        run_commands.LogMetrics,
        run_commands.CompleteRun,
        run_commands.FailRun,
        run_commands.CancelRun,
        version_commands.StageVersion,
        version_commands.PromoteVersion,
        version_commands.RollbackVersion,
        version_commands.ArchiveVersion,
        version_commands.AnnotateVersion,
        version_commands.PurgeVersionArtifact,
        dataset_commands.CreateDataset,
        dataset_commands.WriteDatasetVersion,
        dataset_commands.RegisterDatasetVersion,
        dataset_commands.VerifyDatasetVersion,
        dataset_commands.RejectDatasetVersion,
        dataset_commands.CompactDataset,
        dataset_commands.PurgeDatasetVersion,
        alert_commands.RaiseAlert,
        alert_commands.AcknowledgeAlert,
        alert_commands.ResolveAlert,
        access_commands.GrantAccess,
        access_commands.RevokeAccess,
        access_commands.RecordDenial,
    )
}
