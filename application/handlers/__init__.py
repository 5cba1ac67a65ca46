"""The table of contents of the write side: each command and the use case that handles it."""

from collections.abc import Mapping

from application.bus import Handler
from application.handlers import access, alerts, backfills, datasets, definitions, instances, runs, versions
from domain.access import commands as access_commands
from domain.alert import commands as alert_commands
from domain.dataset import commands as dataset_commands
from domain.ml_module_def import commands as definition_commands
from domain.model_instance import commands as instance_commands
from domain.model_version import commands as version_commands
from domain.run import commands as run_commands
from domain.shared.command import Command

HANDLERS: Mapping[type[Command], Handler] = {
    definition_commands.SubmitDefinition: definitions.submit_definition,
    definition_commands.EvaluateDefinition: definitions.evaluate_definition,
    definition_commands.RecordEvaluation: definitions.record_evaluation,
    definition_commands.PublishDefinition: definitions.publish_definition,
    definition_commands.DeprecateDefinition: definitions.deprecate_definition,
    instance_commands.CreateInstance: instances.create_instance,
    instance_commands.UpdateInstance: instances.update_instance,
    instance_commands.ArchiveInstance: instances.archive_instance,
    instance_commands.SkipSlot: instances.skip_slot,
    run_commands.SubmitRun: runs.submit_run,
    run_commands.BackfillInstance: backfills.backfill_instance,
    run_commands.RetryRun: runs.retry_run,
    run_commands.ReproduceRun: runs.reproduce_run,
    run_commands.StartRun: runs.start_run,
    run_commands.LogMetrics: runs.log_metrics,
    run_commands.CompleteRun: runs.complete_run,
    run_commands.FailRun: runs.fail_run,
    run_commands.CancelRun: runs.cancel_run,
    version_commands.StageVersion: versions.stage_version,
    version_commands.PromoteVersion: versions.promote_version,
    version_commands.RollbackVersion: versions.rollback_version,
    version_commands.ArchiveVersion: versions.archive_version,
    version_commands.AnnotateVersion: versions.annotate_version,
    version_commands.PurgeVersionArtifact: versions.purge_version_artifact,
    dataset_commands.CreateDataset: datasets.create_dataset,
    dataset_commands.WriteDatasetVersion: datasets.write_dataset_version,
    dataset_commands.RegisterDatasetVersion: datasets.register_dataset_version,
    dataset_commands.VerifyDatasetVersion: datasets.verify_dataset_version,
    dataset_commands.RejectDatasetVersion: datasets.reject_dataset_version,
    dataset_commands.CompactDataset: datasets.compact_dataset,
    dataset_commands.PurgeDatasetVersion: datasets.purge_dataset_version,
    alert_commands.RaiseAlert: alerts.raise_alert,
    alert_commands.AcknowledgeAlert: alerts.acknowledge_alert,
    alert_commands.ResolveAlert: alerts.resolve_alert,
    access_commands.GrantAccess: access.grant_access,
    access_commands.RevokeAccess: access.revoke_access,
    access_commands.RecordDenial: access.record_denial,
}
