"""Rules 6, 10, 15 and 16: stages, one append a move, the archive, and versions trained elsewhere."""

from typing import Any

import pytest

from application.errors import ArtifactMissing
from domain.dataset.commands import PurgeDatasetVersion
from domain.dataset.errors import DatasetNeededByProduction
from domain.guardrails.errors import GuardrailBlocked
from domain.guardrails.events import GuardrailEvaluated
from domain.model_instance.commands import ArchiveInstance, SkipSlot, UpdateInstance
from domain.model_instance.errors import (
    InstanceClosed,
    InstanceExternalRefused,
    InstanceNoActiveVersion,
    InstanceNoFormerVersion,
    InstanceUnknown,
)
from domain.model_instance.events import InstanceActiveVersionChanged, InstanceArchived
from domain.model_version.commands import (
    AnnotateVersion,
    ArchiveVersion,
    PromoteVersion,
    PurgeVersionArtifact,
    RollbackVersion,
    StageVersion,
)
from domain.model_version.errors import (
    VersionAlreadyInProduction,
    VersionInProduction,
    VersionNeverStaged,
    VersionNotArchived,
    VersionNotNew,
    VersionNotStaged,
    VersionPurgedAlready,
    VersionUnknown,
)
from domain.model_version.events import VersionArchived, VersionPromoted, VersionRolledBack, VersionStaged
from domain.run.commands import CompleteRun, ExternalInput, SubmitRun
from domain.run.errors import RunExecutorInvalid, RunInputsInvalid
from domain.run.events import RunCancelled
from domain.run.pins import Artifact
from tests.support.desk import GOOD_RANK_IC, Desk
from tests.support.valid import NOW, digest

NAME = "spx-alpha"
ARCHIVE = ArchiveInstance(name=NAME)
TO_OFFICIAL = UpdateInstance(name=NAME, space="official")


def of(command: type[Any], number: int = 1, **changes: Any) -> Any:
    return command(instance=NAME, number=number, **changes)


def test_a_promotion_is_one_append_over_version_instance_and_former_version(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    desk.train()
    outcome = desk.send(of(PromoteVersion, 2))
    gate, promoted, changed, archived = desk.of_last_command()
    assert isinstance(gate, GuardrailEvaluated)
    assert promoted == VersionPromoted(instance=NAME, number=2, replaces=1)
    assert changed == InstanceActiveVersionChanged(name=NAME, active=2, former=1)
    assert archived == VersionArchived(instance=NAME, number=1, former_stage="production", replaced_by=2)
    assert outcome.refs == (
        "model_version:spx-alpha@2",
        "model_instance:spx-alpha",
        "model_version:spx-alpha@1",
    )


def test_a_rollback_is_one_append_too_and_goes_back_to_the_former_version_by_default(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    desk.promoted()
    desk.send(RollbackVersion(instance=NAME))
    assert desk.of_last_command() == [
        VersionRolledBack(instance=NAME, number=1, replaces=2),
        InstanceActiveVersionChanged(name=NAME, active=1, former=2),
        VersionArchived(instance=NAME, number=2, former_stage="production", replaced_by=1),
    ]
    desk.send(RollbackVersion(instance=NAME))
    assert desk.instance_state().active == 2


def test_a_rollback_may_name_any_archived_version_that_was_staged(desk: Desk) -> None:
    desk.ready()
    for _ in range(3):
        desk.promoted()
    desk.send(of(RollbackVersion, 1))
    assert (desk.instance_state().active, desk.instance_state().former) == (1, 3)
    desk.refused(VersionAlreadyInProduction, of(RollbackVersion, 1))
    desk.train()
    desk.refused(VersionNotArchived, of(RollbackVersion, 4))
    desk.refused(VersionUnknown, of(RollbackVersion, 5))


def test_without_a_former_version_there_is_nothing_to_roll_back_to(desk: Desk) -> None:
    desk.ready()
    desk.refused(InstanceNoFormerVersion, RollbackVersion(instance=NAME))
    desk.promoted()
    desk.refused(InstanceNoFormerVersion, RollbackVersion(instance=NAME))


def test_archiving_the_production_version_retires_it_and_leaves_none(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    desk.send(of(ArchiveVersion))
    archived, changed = desk.of_last_command()
    assert archived == VersionArchived(instance=NAME, number=1, former_stage="production", replaced_by=None)
    assert changed == InstanceActiveVersionChanged(name=NAME, active=None, former=1)
    desk.refused(InstanceNoActiveVersion, SubmitRun(instance=NAME, kind="inference"))
    desk.send(RollbackVersion(instance=NAME))
    assert desk.instance_state().active == 1


def test_archiving_another_version_leaves_production_alone(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    desk.train()
    desk.send(of(ArchiveVersion, 2))
    assert desk.of_last_command() == [
        VersionArchived(instance=NAME, number=2, former_stage="staging", replaced_by=None)
    ]
    assert desk.instance_state().active == 1
    assert desk.send(of(ArchiveVersion, 2)).kind == "unchanged"


def test_a_version_whose_output_failed_its_gate_is_in_none_and_is_not_promoted(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    desk.train(rank_ic=0.0)
    assert desk.version_state(1).stage == "none"
    desk.refused(VersionNotStaged, of(PromoteVersion))
    desk.send(of(ArchiveVersion))
    desk.refused(VersionNeverStaged, of(RollbackVersion))


def test_staging_passes_a_gate_that_warns_in_staging(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    desk.train(rank_ic=0.0)
    desk.send(of(StageVersion))
    gate, staged = desk.of_last_command()
    assert isinstance(gate, GuardrailEvaluated)
    assert (gate.report.ok, gate.report.enforced_as) == (False, "warned")
    assert staged == VersionStaged(instance=NAME, number=1)
    desk.refused(VersionNotNew, of(StageVersion))
    assert desk.send(of(PromoteVersion)).kind == "accepted"


@pytest.mark.parametrize("command", [StageVersion, PromoteVersion])
def test_official_blocks_what_staging_let_pass_and_keeps_the_report(desk: Desk, command: Any) -> None:
    desk.ready(GOOD_RANK_IC)
    desk.train(rank_ic=0.0)
    if command is PromoteVersion:
        desk.send(of(StageVersion))
    desk.send(TO_OFFICIAL)
    head = desk.log.head()
    with pytest.raises(GuardrailBlocked):
        desk.send(of(command))
    (gate,) = [one.event for one in desk.since(head)]
    assert isinstance(gate, GuardrailEvaluated)
    assert (gate.report.enforced_as, gate.report.target) == ("blocked", "model_version:spx-alpha@1")
    assert desk.instance_state().active is None


def test_archiving_an_instance_ends_what_is_pending_and_in_production_in_one_append(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    running = desk.start(desk.submit())
    pending = [desk.submit(), desk.submit("inference")]
    desk.send(ARCHIVE)
    retired, archived, version, *cancelled = desk.of_last_command()
    assert retired == InstanceActiveVersionChanged(name=NAME, active=None, former=1)
    assert archived == InstanceArchived(name=NAME)
    assert version == VersionArchived(instance=NAME, number=1, former_stage="production", replaced_by=None)
    assert {one.run_id for one in cancelled if isinstance(one, RunCancelled)} == set(pending)
    assert desk.run_state(running).status == "running"
    assert desk.send(ARCHIVE).kind == "unchanged"


def test_what_runs_when_its_instance_is_archived_ends_normally_but_is_never_promoted(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    running = desk.start(desk.submit())
    desk.send(ARCHIVE)
    assert desk.send(desk.completion(running)).kind == "accepted"
    assert desk.version_state(2).stage == "staging"
    desk.refused(InstanceClosed, of(PromoteVersion, 2))
    desk.refused(InstanceClosed, of(RollbackVersion, 1))


def test_an_archived_instance_takes_no_run_no_change_and_no_slot(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    desk.train(rank_ic=0.0)
    desk.send(ARCHIVE)
    desk.refused(InstanceClosed, SubmitRun(instance=NAME, kind="training"))
    desk.refused(InstanceClosed, UpdateInstance(name=NAME, description="x"))
    desk.refused(InstanceClosed, of(StageVersion))
    desk.refused(InstanceClosed, SkipSlot(name=NAME, kind="training", slot=NOW, cause="closed"))
    assert desk.send(of(AnnotateVersion, description="still told")).kind == "accepted"
    assert desk.send(of(ArchiveVersion)).kind == "accepted"


def test_more_pending_runs_than_one_append_takes_do_not_keep_an_instance_open(desk: Desk) -> None:
    desk.ready()
    for _ in range(203):
        desk.submit()
    desk.send(ARCHIVE)
    cancelled = [one for one in desk.of_last_command() if isinstance(one, RunCancelled)]
    assert len(cancelled) == 200
    assert len(desk.services.lookups.pending_runs("desk", NAME, desk.log.head())) == 3


def test_an_unknown_instance_has_no_versions(desk: Desk) -> None:
    desk.refused(InstanceUnknown, of(PromoteVersion))
    desk.refused(InstanceUnknown, of(ArchiveVersion))
    desk.refused(InstanceUnknown, ARCHIVE)


def test_a_purged_artifact_never_serves_again(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    desk.refused(VersionInProduction, of(PurgeVersionArtifact))
    desk.promoted()
    desk.send(of(PurgeVersionArtifact))
    assert desk.send(of(PurgeVersionArtifact)).kind == "unchanged"
    desk.refused(VersionPurgedAlready, of(RollbackVersion))
    desk.refused(VersionPurgedAlready, SubmitRun(instance=NAME, kind="inference", model_version=1))
    assert desk.send(of(PurgeVersionArtifact, 2, force=True)).kind == "accepted"


def test_data_that_production_was_trained_on_is_purged_by_force_only(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    purge = PurgeDatasetVersion(dataset="us-prices", number=1)
    needed = desk.refused(DatasetNeededByProduction, purge)
    assert needed.facts == {"versions": ["spx-alpha@1"]}
    desk.send(of(ArchiveVersion))
    assert desk.send(purge).kind == "accepted"


def test_a_model_trained_elsewhere_declares_its_inputs_and_is_marked(desk: Desk) -> None:
    desk.ready()
    read = (ExternalInput(dataset="us-prices", version=1),)
    desk.train(executor="external", inputs=read)
    registered = desk.version_state(1).registered
    assert registered is not None
    assert registered.external
    assert [(one.dataset, one.version, one.role) for one in registered.inputs] == [
        ("us-prices", 1, "us-prices")
    ]


def test_official_refuses_what_was_trained_elsewhere_at_every_door(desk: Desk) -> None:
    desk.ready()
    desk.train(executor="external")
    desk.send(of(PromoteVersion))
    desk.refused(InstanceExternalRefused, TO_OFFICIAL)
    desk.train(executor="external")
    desk.send(of(ArchiveVersion))
    desk.send(TO_OFFICIAL)
    desk.refused(InstanceExternalRefused, SubmitRun(instance=NAME, kind="training", executor="external"))
    desk.refused(InstanceExternalRefused, of(PromoteVersion, 2))
    desk.refused(InstanceExternalRefused, of(RollbackVersion, 1))


def test_only_a_training_is_done_elsewhere_and_only_then_inputs_are_declared(desk: Desk) -> None:
    desk.ready()
    desk.refused(RunExecutorInvalid, SubmitRun(instance=NAME, kind="inference", executor="external"))
    read = (ExternalInput(dataset="us-prices", version=1),)
    desk.refused(RunInputsInvalid, SubmitRun(instance=NAME, kind="training", inputs=read))


def test_a_model_file_that_was_not_stored_makes_no_version(desk: Desk) -> None:
    desk.ready()
    run_id = desk.start(desk.submit())
    nothing = Artifact(sha256=digest("never stored"), size_bytes=1, format="skops")
    desk.refused(ArtifactMissing, CompleteRun(run_id=run_id, artifact=nothing))
    assert desk.run_state(run_id).status == "running"
