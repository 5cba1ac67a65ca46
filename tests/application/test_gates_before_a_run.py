"""Gates of definitions, instances, runs and versions: what blocks, what only warns, and who may override."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from application.bus import Bus
from application.errors import CalendarRangeExceeded
from application.handlers import HANDLERS
from domain.guardrails.contracts import Contract
from domain.guardrails.errors import GuardrailBlocked, GuardrailOverrideDenied
from domain.guardrails.events import GateReport, GuardrailEvaluated
from domain.ml_module_def.commands import SubmitDefinition
from domain.ml_module_def.events import DefinitionEvaluated
from domain.model_instance.commands import UpdateInstance
from domain.model_instance.events import InstanceCreated, InstanceUpdated
from domain.model_instance.specification import Config
from domain.model_version.commands import PromoteVersion, StageVersion
from domain.model_version.events import VersionPromoted, VersionStaged
from domain.run.commands import BackfillInstance, FailRun, RetryRun, SubmitRun
from domain.run.events import RunSubmitted
from domain.shared.command import Command
from domain.shared.errors import ReasonMissing
from tests.support.adapters import WeekdaySessions
from tests.support.desk import GOOD_RANK_IC, Desk, created, prices, verdict
from tests.support.valid import RUN, digest, manifest

NAME = "spx-alpha"
CLOSES = Contract(kind="dataset.schema", config={"role": "prices", "columns": {"close": "float64"}})
VOLUMES = Contract(kind="dataset.schema", config={"role": "prices", "columns": {"volume": "int64"}})
FRESH = Contract(kind="dataset.freshness", config={"role": "prices", "sessions": 3})
YOUNG = Contract(kind="model.freshness", config={"days": 7})


def updated(**changes: Any) -> UpdateInstance:
    return UpdateInstance(name=NAME, **changes)


def reports(desk: Desk) -> list[GateReport]:
    return [one.event.report for one in desk.since(0) if isinstance(one.event, GuardrailEvaluated)]


def blocked(desk: Desk, command: Command, **sender: Any) -> GateReport:
    """The gate refuses the command and leaves its report, nothing else; and so again when it is repeated."""
    head = desk.log.head()
    with pytest.raises(GuardrailBlocked) as caught:
        desk.send(command, **sender)
    (event,) = desk.since(head)
    assert isinstance(event.event, GuardrailEvaluated)
    report = event.event.report
    assert (report.enforced_as, report.ok) == ("blocked", False)
    assert caught.value.facts["report"]["target"] == report.target
    return report


def with_calendar(desk: Desk, *contracts: Contract, days: int = 8, **changes: Any) -> Desk:
    """An instance on the weekdays' calendar, on prices that end `days` after 2 March 2026."""
    desk.define(*contracts)
    desk.dataset(days=days)
    desk.instance(config=Config(calendar="XNYS"), **changes)
    return desk


# --- definitions


def test_a_definition_whose_contract_is_about_a_column_that_it_has_not_fails_and_says_why(desk: Desk) -> None:
    law = Contract(kind="signal.bounds", config={"column": "alpha"})
    package = manifest(contracts=(law,), package_sha256=digest("package 1.0.0"))
    desk.send(SubmitDefinition(package_sha256=desk.packages.add(package)))
    desk.send(verdict())
    gate, evaluated = desk.of_last_command()
    assert isinstance(gate, GuardrailEvaluated)
    assert isinstance(evaluated, DefinitionEvaluated)
    assert (gate.report.gate, gate.report.target) == ("definition_submit", "ml_module_def:xgb-signal@1.0.0")
    assert gate.report.enforced_as == "blocked"
    assert evaluated.verdict == "failed"
    assert evaluated.checks[-1].name == "contracts"
    assert evaluated.checks[-1].detail == "signal.bounds: the output has no column 'alpha'"
    assert evaluated.output_columns == {}


def test_a_definition_whose_contracts_hold_has_them_among_its_checks(desk: Desk) -> None:
    desk.define(GOOD_RANK_IC, publish=False)
    gate, evaluated = desk.of_last_command()
    assert isinstance(gate, GuardrailEvaluated)
    assert isinstance(evaluated, DefinitionEvaluated)
    assert (gate.report.enforced_as, evaluated.verdict) == ("passed", "passed")
    assert evaluated.checks[-1].detail == "contracts that hold: 1"


def test_what_failed_already_or_has_no_contract_passes_no_gate_and_a_late_verdict_neither(desk: Desk) -> None:
    package = manifest(contracts=(GOOD_RANK_IC,), package_sha256=digest("package 1.0.0"))
    desk.send(SubmitDefinition(package_sha256=desk.packages.add(package)))
    desk.send(verdict(passed="failed"))
    desk.send(verdict())
    assert reports(desk) == []


# --- instances


def test_an_instance_of_data_that_is_not_of_the_asked_form_is_warned_in_staging(desk: Desk) -> None:
    desk.ready(VOLUMES)
    made, judged, _ = desk.of_last_command()
    assert isinstance(made, InstanceCreated)
    assert isinstance(judged, GuardrailEvaluated)
    report = judged.report
    assert (report.gate, report.target) == ("instance_create", "model_instance:spx-alpha")
    assert (report.enforced_as, report.issues[0].code) == ("warned", "dataset.schema")
    assert report.issues[0].observed == {"missing_columns": 1.0, "columns_of_another_type": 0.0}


def test_in_official_it_is_not_created_and_its_name_stays_free(desk: Desk) -> None:
    desk.define(VOLUMES)
    desk.dataset()
    report = blocked(desk, created(space="official"))
    assert (report.gate, report.target) == ("instance_create", "model_instance:spx-alpha")
    assert desk.instance_state().specification is None
    desk.send(created())
    assert desk.instance_state().specification is not None


def test_staging_blocks_where_the_contract_says_so(desk: Desk) -> None:
    desk.define(Contract(kind=VOLUMES.kind, config=VOLUMES.config, enforce="block"))
    desk.dataset()
    blocked(desk, created())


def test_data_of_the_asked_form_pass_and_an_instance_without_such_contracts_leaves_no_report(
    desk: Desk,
) -> None:
    desk.ready(CLOSES)
    assert [one.enforced_as for one in reports(desk)] == ["passed", "passed"]
    desk.define(GOOD_RANK_IC, version="2.0.0")
    desk.instance("plain", definition="xgb-signal@2.0.0")
    assert [one.gate for one in reports(desk)] == [
        "definition_submit",
        "instance_create",
        "definition_submit",
    ]


def test_an_update_passes_the_gate_and_one_that_changes_nothing_passes_none(desk: Desk) -> None:
    desk.ready(VOLUMES)
    desk.send(updated(description="another"))
    judged, changed = desk.of_last_command()
    assert isinstance(judged, GuardrailEvaluated)
    assert isinstance(changed, InstanceUpdated)
    assert (judged.report.gate, judged.report.enforced_as) == ("instance_update", "warned")
    assert desk.send(updated(description="another")).kind == "unchanged"
    report = blocked(desk, updated(space="official"))
    assert report.gate == "instance_update"
    assert desk.instance_state().specification.space == "staging"  # type: ignore[union-attr]


def test_an_instance_goes_official_behind_both_reports_and_not_behind_one(desk: Desk) -> None:
    desk.ready(CLOSES, GOOD_RANK_IC)
    desk.promoted()
    desk.send(updated(space="official"))
    version, instance, changed = desk.of_last_command()
    assert isinstance(version, GuardrailEvaluated)
    assert isinstance(instance, GuardrailEvaluated)
    assert isinstance(changed, InstanceUpdated)
    assert version.report.target == "model_version:spx-alpha@1"
    assert instance.report.target == "model_instance:spx-alpha"


def test_a_move_to_official_that_its_version_does_not_pass_keeps_both_reports_and_repeats_its_no(
    desk: Desk,
) -> None:
    desk.ready(CLOSES, GOOD_RANK_IC)
    number = desk.train(rank_ic=0.0)
    desk.send(StageVersion(instance=NAME, number=number))
    desk.send(PromoteVersion(instance=NAME, number=number))
    head, command_id = desk.log.head(), desk.services.ids.command_id()
    with pytest.raises(GuardrailBlocked):
        desk.send(updated(space="official"), command_id=command_id)
    kept = [report.enforced_as for report in reports(desk)[-2:]]
    assert (kept, desk.log.head()) == (["passed", "blocked"], head + 2)
    desk.refused(GuardrailBlocked, updated(space="official"), command_id=command_id)


def test_a_report_holds_at_the_append_or_is_made_again(desk: Desk) -> None:
    desk.define(Contract(kind="dataset.coverage", config={"role": "prices", "entities": ["A"]}))
    desk.dataset(days=2)
    bus, log = desk.interleaved()
    log.just_before_append(lambda: desk.upload(prices(1, first=10)))
    desk.send(created(config=Config(calendar="XNYS")), bus=bus)
    assert reports(desk)[-1].issues[0].observed == {"expected": 9.0, "present": 3.0, "missing": 6.0}
    assert log.appends == 2


def test_a_dry_run_shows_the_report_and_leaves_nothing(desk: Desk) -> None:
    desk.define(VOLUMES)
    desk.dataset()
    head = desk.log.head()
    outcome = desk.send(created(), dry_run=True)
    assert outcome.facts["report"].enforced_as == "warned"
    assert desk.log.head() == head


def test_the_same_blocked_command_again_is_the_same_refusal_without_a_second_report(desk: Desk) -> None:
    desk.define(VOLUMES)
    desk.dataset()
    command_id = desk.services.ids.command_id()
    blocked(desk, created(space="official"), command_id=command_id)
    desk.refused(GuardrailBlocked, created(space="official"), command_id=command_id)


# --- runs


def test_a_run_on_stale_prices_is_refused_in_official_before_it_starts(desk: Desk) -> None:
    with_calendar(desk, FRESH, space="official")
    desk.promoted()
    desk.clock.move(timedelta(days=30))
    report = blocked(desk, SubmitRun(instance=NAME, kind="inference"))
    assert (report.gate, report.target) == ("run_submit", "model_instance:spx-alpha")
    assert report.issues[0].code == "dataset.freshness"
    assert report.issues[0].observed["age_sessions"] > 3
    assert report.issues[0].keys == ("2026-03-09/",)


def test_a_run_on_prices_that_are_fresh_enough_is_submitted_with_its_report(desk: Desk) -> None:
    with_calendar(desk, FRESH, days=12, space="official")
    desk.promoted()
    run_id = desk.submit("inference")
    submitted, judged = desk.of_last_command()
    assert isinstance(submitted, RunSubmitted)
    assert isinstance(judged, GuardrailEvaluated)
    assert (judged.report.target, judged.report.enforced_as) == (f"inference_run:{run_id}", "passed")


def test_a_model_that_is_too_old_is_refused_for_a_run_in_official_and_warned_in_staging(desk: Desk) -> None:
    desk.ready(YOUNG)
    desk.promoted()
    desk.clock.move(timedelta(days=8))
    desk.submit("inference")
    assert reports(desk)[-1].enforced_as == "warned"
    desk.send(updated(space="official"))
    report = blocked(desk, SubmitRun(instance=NAME, kind="inference"))
    assert report.issues[0].observed == {"age_days": 8.0}


class ShortCalendar(WeekdaySessions):
    """Ends before the data does."""

    def closes(self, calendar: str, first: date, last: date) -> Sequence[tuple[date, datetime]]:
        raise CalendarRangeExceeded(f"{calendar} does not know {first} to {last}")


def test_a_calendar_that_does_not_reach_the_data_leaves_their_age_to_the_gate_that_reads_them(
    desk: Desk,
) -> None:
    with_calendar(desk, FRESH, space="official")
    desk.promoted()
    desk.clock.move(timedelta(days=30))
    bus = Bus(replace(desk.services, sessions=ShortCalendar()), HANDLERS)
    desk.send(SubmitRun(instance=NAME, kind="inference"), bus=bus)
    assert isinstance(desk.last()[0], RunSubmitted)


def test_missing_keys_are_found_before_an_instance_reads_them(desk: Desk) -> None:
    law = Contract(kind="dataset.coverage", config={"role": "prices", "entities": ["A", "B"]})
    desk.define(law)
    desk.dataset(days=5)
    report = blocked(desk, created(space="official", config=Config(calendar="XNYS")))
    assert report.issues[0].observed == {"expected": 10.0, "present": 5.0, "missing": 5.0}
    assert desk.instance(space="official").kind == "accepted"


def test_a_training_is_not_judged_by_the_age_of_its_data(desk: Desk) -> None:
    with_calendar(desk, FRESH, space="official")
    desk.clock.move(timedelta(days=30))
    desk.submit("training")
    assert [one.gate for one in reports(desk)] == ["definition_submit"]


# --- overrides


def test_an_override_needs_the_permission_and_a_reason(desk: Desk) -> None:
    desk.define(VOLUMES)
    desk.dataset()
    wish = created(space="official", override=True)
    desk.refused(GuardrailOverrideDenied, wish)
    desk.refused(ReasonMissing, wish, may_override=True, reason=None)
    desk.refused(ReasonMissing, wish, may_override=True, reason="  ")


@pytest.mark.parametrize("sender", [{}, {"may_override": False}])
def test_who_may_not_override_may_not_even_where_nothing_blocks(desk: Desk, sender: Any) -> None:
    desk.ready()
    desk.refused(GuardrailOverrideDenied, updated(description="x", override=True), **sender)


def test_an_override_lets_it_pass_and_says_who_answers_for_it(desk: Desk) -> None:
    desk.define(VOLUMES)
    desk.dataset()
    desk.send(created(space="official", override=True), may_override=True, reason="volumes come tomorrow")
    made, judged, _ = desk.of_last_command()
    assert isinstance(made, InstanceCreated)
    assert isinstance(judged, GuardrailEvaluated)
    assert (judged.report.enforced_as, judged.report.ok) == ("overridden", False)
    assert judged.report.overridden_by == "p_author"
    assert judged.report.issues[0].code == "dataset.schema"
    assert desk.since(desk.log.head() - 1)[0].reason == "volumes come tomorrow"


def test_an_override_where_nothing_blocks_leaves_no_mark(desk: Desk) -> None:
    desk.ready(CLOSES)
    desk.send(updated(description="x", override=True), may_override=True)
    assert reports(desk)[-1].enforced_as == "passed"
    assert not reports(desk)[-1].overridden_by


def test_a_run_and_both_moves_of_a_version_may_be_overridden(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC, YOUNG, space="official")
    number = desk.train(rank_ic=0.0)
    blocked(desk, StageVersion(instance=NAME, number=number))
    for command in (StageVersion, PromoteVersion):
        desk.send(command(instance=NAME, number=number, override=True), may_override=True)
        judged, moved, *_ = desk.of_last_command()
        assert isinstance(judged, GuardrailEvaluated)
        assert judged.report.enforced_as == "overridden"
        assert isinstance(moved, VersionStaged | VersionPromoted)
    desk.clock.move(timedelta(days=8))
    blocked(desk, SubmitRun(instance=NAME, kind="inference"))
    desk.send(SubmitRun(instance=NAME, kind="inference", override=True), may_override=True)
    submitted, judged = desk.of_last_command()
    assert isinstance(submitted, RunSubmitted)
    assert isinstance(judged, GuardrailEvaluated)
    assert judged.report.enforced_as == "overridden"


def test_the_active_version_may_be_overridden_into_official(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    number = desk.train(rank_ic=0.0)
    desk.send(StageVersion(instance=NAME, number=number))
    desk.send(PromoteVersion(instance=NAME, number=number))
    report = blocked(desk, updated(space="official"))
    assert report.target == "model_version:spx-alpha@1"
    desk.send(updated(space="official", override=True), may_override=True)
    assert reports(desk)[-1].enforced_as == "overridden"
    assert desk.instance_state().specification.space == "official"  # type: ignore[union-attr]


# --- what several runs, or a run once more, pass


PAST: Any = {"first": date(2026, 3, 3), "last": date(2026, 3, 5)}


def test_one_gate_judges_a_whole_backfill_and_an_operator_may_override_it(desk: Desk) -> None:
    desk.ready(YOUNG, space="official")
    desk.promoted()
    desk.clock.move(timedelta(days=8))
    wish: Any = {"instance": NAME, "first": date(2026, 3, 18), "last": date(2026, 3, 20)}
    report = blocked(desk, BackfillInstance(**wish))
    assert (report.gate, report.target) == ("run_submit", "model_instance:spx-alpha")
    desk.refused(GuardrailOverrideDenied, BackfillInstance(**wish, override=True))
    desk.refused(ReasonMissing, BackfillInstance(**wish, override=True), may_override=True, reason=" ")
    desk.send(BackfillInstance(**wish, override=True), may_override=True)
    submitted, judged = desk.of_last_command()
    assert isinstance(submitted, RunSubmitted)
    assert isinstance(judged, GuardrailEvaluated)
    assert (judged.report.enforced_as, judged.report.overridden_by) == ("overridden", "p_author")


def test_a_backfill_that_passes_leaves_one_report_however_many_its_runs(desk: Desk) -> None:
    desk.ready(CLOSES)
    desk.send(BackfillInstance(instance=NAME, first=date(2025, 1, 1), last=date(2026, 3, 1), refit="1q"))
    *submitted, judged = desk.of_last_command()
    assert len(submitted) == 5
    assert isinstance(judged, GuardrailEvaluated)
    assert (judged.report.enforced_as, len(judged.report.contracts)) == ("passed", 1)


def test_a_retry_passes_its_gate_again(desk: Desk) -> None:
    desk.ready(VOLUMES)
    run_id = desk.submit()
    desk.send(FailRun(run_id=run_id, code="run.failed", message="a bug"))
    desk.send(updated(space="official", override=True), may_override=True)
    blocked(desk, RetryRun(run_id=run_id))
    desk.refused(GuardrailOverrideDenied, RetryRun(run_id=run_id, override=True))
    desk.send(RetryRun(run_id=run_id, override=True), may_override=True)
    submitted, judged = desk.of_last_command()
    assert isinstance(submitted, RunSubmitted)
    assert isinstance(judged, GuardrailEvaluated)
    assert judged.report.enforced_as == "overridden"


def test_what_an_operator_let_pass_stays_passed_when_it_is_done_again(desk: Desk) -> None:
    desk.define(VOLUMES)
    desk.dataset()
    desk.send(created(space="official", override=True), may_override=True)
    command = SubmitRun(instance=NAME, kind="training", run_id=RUN, override=True)
    desk.send(command, may_override=True, principal="p_operator")
    desk.send(FailRun(run_id=RUN, code="run.worker_lost", message="it ended"))
    desk.send(RetryRun(run_id=RUN))
    again, judged = desk.of_last_command()
    assert isinstance(again, RunSubmitted)
    assert isinstance(judged, GuardrailEvaluated)
    assert judged.report.overridden_by == "p_operator"
    desk.send(FailRun(run_id=again.run_id, code="run.worker_lost", message="it ended"))
    desk.send(RetryRun(run_id=again.run_id))


def test_an_override_of_a_backfill_covers_the_predictions_of_its_blocks_and_no_others(desk: Desk) -> None:
    desk.define(VOLUMES)
    desk.dataset()
    desk.send(created(space="official", override=True), may_override=True)
    backfill = BackfillInstance(instance=NAME, **PAST, refit="1m", override=True)
    desk.send(backfill, may_override=True, principal="p_operator")
    trained = desk.of_last_command()[0]
    assert isinstance(trained, RunSubmitted)
    desk.start(trained.run_id)
    desk.send(desk.completion(trained.run_id))
    wish: Any = {"instance": NAME, "kind": "inference", "model_version": 1, "refit": True}
    desk.send(SubmitRun(**wish, **PAST))
    assert reports(desk)[-1].overridden_by == "p_operator"
    blocked(desk, SubmitRun(**wish, first=date(2026, 3, 3), last=date(2026, 3, 6)))
