"""What follows from an event: each policy reads the log and sends commands, so that doing it twice does it
once.
"""

from collections.abc import Mapping

from application.policies import (
    alerting,
    archiving,
    execution,
    following,
    promotion,
    purging,
    verification,
    workflows,
)
from application.policies.context import Policy
from domain.dataset.events import (
    DatasetVersionPurged,
    DatasetVersionRegistered,
    DatasetVersionVerified,
    DatasetVersionWritten,
)
from domain.ml_module_def.events import DefinitionSubmitted
from domain.model_instance.events import InstanceArchived, InstanceUpdated
from domain.model_version.events import VersionPurged, VersionRegistered
from domain.run.events import RunCancelled, RunCompleted, RunFailed, RunSubmitted
from domain.shared.activity import Event

POLICIES: Mapping[type[Event], tuple[Policy, ...]] = {
    DefinitionSubmitted: (execution.wake_executor,),
    RunSubmitted: (execution.wake_executor, archiving.cancel_late_submission),
    RunCompleted: (workflows.predict_block, alerting.judge_run),
    RunFailed: (workflows.retry_lost,),
    RunCancelled: (execution.kill_process,),
    InstanceUpdated: (alerting.resolve_left,),
    InstanceArchived: (archiving.cancel_pending_runs, alerting.resolve_left),
    VersionRegistered: (promotion.promote_automatically,),
    VersionPurged: (purging.delete_artifact,),
    DatasetVersionRegistered: (verification.verify_bytes,),
    DatasetVersionVerified: (following.follow_version,),
    DatasetVersionWritten: (following.follow_version,),
    DatasetVersionPurged: (purging.delete_files,),
}
"""The table of contents of what follows by itself."""
