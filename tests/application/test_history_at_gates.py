"""Survivors are a warning and restated history is refused in `official`, at gates that see the inputs."""

from typing import Any

import pytest

from domain.dataset.commands import CreateDataset
from domain.guardrails.errors import GuardrailBlocked
from domain.guardrails.events import GateReport, GuardrailEvaluated
from domain.ml_module_def.commands import PublishDefinition, SubmitDefinition
from domain.ml_module_def.manifest import InputRole
from domain.model_instance.commands import UpdateInstance
from domain.model_instance.specification import Config
from domain.model_version.commands import PromoteVersion
from domain.run.commands import SubmitRun
from tests.application.test_gates_before_a_run import blocked, reports
from tests.support.desk import Desk, created, prices, verdict
from tests.support.valid import RUN, declaration, digest, manifest

NAME = "spx-alpha"
RESTATED = "pit.restated_history"
SURVIVORSHIP = "pit.survivorship"
TO_OFFICIAL = UpdateInstance(name=NAME, space="official")


def stocked(desk: Desk, *, scale_free: bool = False, **declared: Any) -> Desk:
    """A published definition, and prices that declare their history."""
    package = manifest(
        inputs=(InputRole(role="prices", columns=("close",), scale_free=scale_free),),
        package_sha256=digest("package 1.0.0"),
    )
    desk.send(SubmitDefinition(package_sha256=desk.packages.add(package)))
    desk.send(verdict())
    desk.send(PublishDefinition(name="xgb-signal", version="1.0.0"))
    desk.send(CreateDataset(name="us-prices", declaration=declaration(**declared)))
    desk.upload(prices())
    return desk


def codes(report: GateReport) -> list[tuple[str, str]]:
    return [(issue.code, issue.severity) for issue in report.issues]


@pytest.mark.parametrize("declared", [{"survivorship": True}, {"tags": ("survivorship",)}])
@pytest.mark.parametrize("space", ["staging", "official"])
def test_survivors_are_a_warning_where_they_are_bound_and_where_they_are_read(
    desk: Desk, declared: Any, space: Any
) -> None:
    stocked(desk, **declared).instance(space=space)
    desk.send(UpdateInstance(name=NAME, description="another"))
    desk.submit()
    assert [one.gate for one in reports(desk)] == ["instance_create", "instance_update", "run_submit"]
    for report in reports(desk):
        assert (report.ok, report.enforced_as) == (True, "warned")
        assert codes(report) == [(SURVIVORSHIP, "warning")]
        assert "us-prices" in report.issues[0].message


def test_a_dataset_that_declares_nothing_leaves_no_report(desk: Desk) -> None:
    stocked(desk).instance(space="official")
    desk.submit()
    assert reports(desk) == []


@pytest.mark.parametrize("declared", [{"restated": True}, {"tags": ("restated",)}])
def test_official_refuses_a_restated_dataset_and_no_override_helps(desk: Desk, declared: Any) -> None:
    stocked(desk, **declared)
    wish: Any = {"space": "official"}
    report = blocked(desk, created(**wish))
    assert (report.gate, codes(report)) == ("instance_create", [(RESTATED, "error")])
    assert "us-prices is restated" in report.issues[0].message
    blocked(desk, created(**wish, override=True), may_override=True)


def test_staging_warns_of_it_and_the_move_to_official_is_refused(desk: Desk) -> None:
    stocked(desk, restated=True).instance()
    desk.submit()
    assert [(one.ok, one.enforced_as, codes(one)) for one in reports(desk)] == [
        (True, "warned", [(RESTATED, "warning")])
    ] * 2
    assert codes(blocked(desk, TO_OFFICIAL)) == [(RESTATED, "error")]


def test_history_read_as_restated_is_refused_in_official_whatever_the_dataset(desk: Desk) -> None:
    stocked(desk).instance(config=Config(history="restated"))
    report = blocked(desk, TO_OFFICIAL)
    assert "history is `restated`" in report.issues[0].message
    assert codes(report) == [(RESTATED, "error")]


def test_an_input_that_is_proved_scale_free_may_be_restated(desk: Desk) -> None:
    stocked(desk, scale_free=True, restated=True).instance(
        space="official", config=Config(history="restated")
    )
    desk.submit()
    assert reports(desk) == []


def test_a_version_trained_on_restated_history_cannot_follow_into_official(desk: Desk) -> None:
    stocked(desk).instance(config=Config(history="restated"))
    number = desk.train()
    desk.send(PromoteVersion(instance=NAME, number=number))
    desk.send(UpdateInstance(name=NAME, config=Config()))
    report = blocked_last(desk, UpdateInstance(name=NAME, space="official"))
    assert (report.target, codes(report)) == ("model_version:spx-alpha@1", [(RESTATED, "error")])


def test_nor_can_it_be_promoted_where_the_instance_went_ahead(desk: Desk) -> None:
    stocked(desk).instance(config=Config(history="restated"))
    number = desk.train()
    desk.send(UpdateInstance(name=NAME, config=Config(), space="official"))
    assert codes(blocked(desk, PromoteVersion(instance=NAME, number=number))) == [(RESTATED, "error")]
    inference = SubmitRun(instance=NAME, kind="inference", model_version=number, run_id=RUN)
    assert codes(blocked(desk, inference)) == [(RESTATED, "error")]


def blocked_last(desk: Desk, command: UpdateInstance) -> GateReport:
    """The report that blocked, behind those of gates that passed."""
    head = desk.log.head()
    with pytest.raises(GuardrailBlocked, match="restated"):
        desk.send(command)
    told = [one.event for one in desk.since(head)]
    assert all(isinstance(one, GuardrailEvaluated) for one in told)
    assert isinstance(told[-1], GuardrailEvaluated)
    return told[-1].report
