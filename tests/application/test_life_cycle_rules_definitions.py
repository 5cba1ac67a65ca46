"""Rules 2 and 3: which definition versions serve whom, and what a move to `official` asks."""

from typing import Any

import pytest

from domain.dataset.errors import DatasetDeclarationInvalid, DatasetUnknown
from domain.guardrails.errors import GuardrailBlocked
from domain.guardrails.events import GuardrailEvaluated
from domain.ml_module_def.commands import (
    DeprecateDefinition,
    EvaluateDefinition,
    PublishDefinition,
    SubmitDefinition,
)
from domain.ml_module_def.errors import (
    DefinitionNotEvaluated,
    DefinitionNotPassed,
    DefinitionNotPublished,
    DefinitionUnknown,
    DefinitionVersionDeprecated,
    DefinitionVersionExists,
)
from domain.ml_module_def.events import DefinitionSubmitted
from domain.ml_module_def.package_errors import DefinitionPackageMalformed
from domain.model_instance.commands import UpdateInstance
from domain.model_instance.errors import (
    InstanceConfigInvalid,
    InstanceDatasetsMissing,
    InstanceHyperParametersInvalid,
)
from domain.model_instance.events import InstanceUpdated
from domain.model_instance.specification import Config, DatasetBinding
from domain.model_version.commands import PromoteVersion, StageVersion
from domain.point_in_time import PitRestatedHistory
from domain.shared.errors import ReasonMissing, ReferenceMalformed
from tests.support.desk import GOOD_RANK_IC, Desk, command_id, created, verdict
from tests.support.valid import digest, manifest

DEPRECATE = DeprecateDefinition(name="xgb-signal", version="1.0.0")
TO_OFFICIAL = UpdateInstance(name="spx-alpha", space="official")


def submit(desk: Desk, package: str = "package 1.0.0", **changes: Any) -> SubmitDefinition:
    known = desk.packages.add(manifest(package_sha256=digest(package), **changes))
    return SubmitDefinition(package_sha256=known)


def test_the_same_package_again_changes_nothing_and_other_bytes_are_refused(desk: Desk) -> None:
    desk.define()
    assert desk.send(submit(desk)).kind == "unchanged"
    desk.refused(DefinitionVersionExists, submit(desk, "other bytes"))


def test_a_failed_version_is_mended_with_other_bytes_or_evaluated_again(desk: Desk) -> None:
    desk.send(submit(desk))
    desk.send(verdict(passed="failed"))
    desk.send(EvaluateDefinition(name="xgb-signal", version="1.0.0"), principal="p_second")
    (again,) = desk.last()
    assert isinstance(again, DefinitionSubmitted)
    assert again.submitter == "p_author"
    desk.send(verdict(passed="failed"))
    assert desk.send(submit(desk, "mended")).kind == "accepted"


def test_what_is_no_package_is_refused(desk: Desk) -> None:
    desk.refused(DefinitionPackageMalformed, SubmitDefinition(package_sha256=digest("nothing")))


def test_a_definition_is_not_used_before_it_passed(desk: Desk) -> None:
    desk.dataset()
    desk.refused(DefinitionUnknown, created())
    desk.send(submit(desk))
    desk.refused(DefinitionNotEvaluated, created())
    desk.send(verdict(passed="failed"))
    desk.refused(DefinitionNotPassed, created())


def test_an_unpublished_definition_serves_its_submitter_in_staging_only(desk: Desk) -> None:
    desk.dataset()
    desk.define(publish=False)
    desk.refused(DefinitionNotPublished, created(), principal="p_other")
    desk.refused(DefinitionNotPublished, created(space="official"))
    assert desk.send(created()).kind == "accepted"
    desk.refused(DefinitionNotPublished, TO_OFFICIAL)
    desk.send(PublishDefinition(name="xgb-signal", version="1.0.0"))
    assert desk.send(TO_OFFICIAL).kind == "accepted"
    assert desk.send(created("other"), principal="p_other").kind == "accepted"


def test_nothing_new_takes_a_deprecated_definition_and_nothing_moves_onto_it(desk: Desk) -> None:
    desk.ready()
    desk.define(version="2.0.0")
    desk.instance("newer", definition="xgb-signal@2.0.0")
    desk.send(DEPRECATE)
    desk.refused(DefinitionVersionDeprecated, created("late"))
    desk.refused(DefinitionVersionDeprecated, UpdateInstance(name="newer", definition="xgb-signal@1.0.0"))
    desk.refused(DefinitionVersionDeprecated, PublishDefinition(name="xgb-signal", version="1.0.0"))


def test_an_instance_of_a_deprecated_definition_goes_on_with_a_warning_at_each_gate(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    desk.send(DEPRECATE)
    desk.send(UpdateInstance(name="spx-alpha", description="goes on"))
    desk.send(PromoteVersion(instance="spx-alpha", number=desk.train()))
    gates = [one.event.report for one in desk.since(0) if isinstance(one.event, GuardrailEvaluated)]
    assert [report.gate for report in gates] == [
        "definition_submit",
        "instance_update",
        "run_submit",
        "run_complete",
        "version_promote",
    ]
    for report in gates[1:]:
        assert (report.ok, report.enforced_as) == (True, "warned")
        assert [issue.code for issue in report.issues] == ["definition.deprecated"]


def test_an_official_instance_of_a_deprecated_definition_may_go_back_to_staging(desk: Desk) -> None:
    desk.ready()
    desk.send(TO_OFFICIAL)
    desk.send(DEPRECATE)
    assert desk.send(UpdateInstance(name="spx-alpha", space="staging")).kind == "accepted"
    desk.refused(DefinitionVersionDeprecated, TO_OFFICIAL)


def test_deprecating_needs_a_reason_and_happens_once(desk: Desk) -> None:
    desk.define()
    desk.refused(ReasonMissing, DEPRECATE, reason=None)
    assert desk.send(DEPRECATE).kind == "accepted"
    assert desk.send(DEPRECATE).kind == "unchanged"


def test_an_instance_binds_each_role_with_known_datasets_and_valid_parameters(desk: Desk) -> None:
    desk.define()
    desk.dataset()
    desk.refused(InstanceDatasetsMissing, created(training_datasets=()))
    desk.refused(InstanceDatasetsMissing, created(inference_datasets=()))
    nowhere = (DatasetBinding(dataset="nowhere", role="prices"),)
    desk.refused(DatasetUnknown, created(training_datasets=nowhere))
    pinned = (DatasetBinding(dataset="us-prices", role="prices", version=2),)
    desk.refused(DatasetUnknown, created(training_datasets=pinned))
    desk.refused(DatasetUnknown, created(outcome_dataset="nowhere"))
    bad = desk.refused(
        InstanceHyperParametersInvalid, created(config=Config(hyper_parameters={"depth": "x"}))
    )
    assert bad.facts == {"path": "depth"}
    desk.refused(InstanceConfigInvalid, created(config=Config(calendar="MARS")))
    desk.refused(ReferenceMalformed, created(definition="xgb-signal"))


def test_an_update_is_checked_as_a_creation_is(desk: Desk) -> None:
    desk.ready()
    wrong = Config(hyper_parameters={"width": 1})
    desk.refused(InstanceHyperParametersInvalid, UpdateInstance(name="spx-alpha", config=wrong))
    desk.refused(InstanceDatasetsMissing, UpdateInstance(name="spx-alpha", training_datasets=()))


def test_output_columns_that_no_dataset_can_have_are_refused(desk: Desk) -> None:
    desk.dataset()
    desk.send(submit(desk))
    desk.send(verdict(signal="complex128"))
    desk.refused(DatasetDeclarationInvalid, created())


def test_official_needs_an_active_version_that_passes_its_gate_as_official(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    number = desk.train(rank_ic=0.03)
    desk.send(PromoteVersion(instance="spx-alpha", number=number))
    desk.send(TO_OFFICIAL)
    judged, moved = desk.of_last_command()
    assert isinstance(judged, GuardrailEvaluated)
    assert (judged.report.gate, judged.report.target) == ("instance_update", "model_version:spx-alpha@1")
    assert isinstance(moved, InstanceUpdated)
    assert moved.changed == ("space",)


def test_a_blocked_move_to_official_leaves_the_report_and_answers_the_same_again(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    desk.train(rank_ic=0.0)
    desk.send(StageVersion(instance="spx-alpha", number=1))
    desk.send(PromoteVersion(instance="spx-alpha", number=1))
    head = desk.log.head()
    for _ in range(2):
        with pytest.raises(GuardrailBlocked) as caught:
            desk.send(TO_OFFICIAL, command_id=command_id(1))
        assert caught.value.facts["report"]["gate"] == "instance_update"
    (report,) = desk.since(head)
    assert isinstance(report.event, GuardrailEvaluated)
    assert desk.instance_state().specification.space == "staging"  # type: ignore[union-attr]


def test_restated_history_is_no_history_for_official(desk: Desk) -> None:
    desk.ready(config=Config(history="restated"))
    with pytest.raises(GuardrailBlocked) as caught:
        desk.send(TO_OFFICIAL)
    assert [one["code"] for one in caught.value.facts["report"]["issues"]] == [PitRestatedHistory.code]
