"""The policy over the real log and bus: what runs raise and resolve, and that doing it twice does it once."""

from datetime import timedelta

import pytest

from application.policies import alerting
from domain.alert.commands import AcknowledgeAlert, RaiseAlert, ResolveAlert
from domain.alert.errors import AlertAlreadyResolved, AlertNotCrossed, AlertRuleUnknown, AlertUnknown
from domain.alert.events import AlertRaised, AlertResolved
from domain.alert_rules import AlertRuleInvalid
from domain.model_instance.commands import ArchiveInstance, UpdateInstance
from domain.model_instance.errors import InstanceClosed
from domain.run.commands import RetryRun
from domain.run.errors import RunUnknown
from domain.run.events import RunCompleted
from domain.shared.errors import CommandMalformed
from tests.alerts.alert_desk import AlertDesk, rule

SMALL = rule(clear_threshold=0.25)


def test_a_crossing_raises_one_alert_that_names_rule_value_and_run(desk: AlertDesk):
    desk.ruled(SMALL)
    (run_id,) = desk.drifted(0.75)
    (raised,) = desk.raised()
    assert (raised.rule, raised.metric, raised.value, raised.run_id) == (SMALL, "drift.share", 0.75, run_id)
    (recorded,) = [one for one in desk.since(0) if isinstance(one.event, AlertRaised)]
    assert recorded.actor.principal == "policy:alerting"
    assert recorded.reason == "drift.share 0.75, the rule is > 0.5"
    assert recorded.resource_id == raised.alert_id


def test_an_open_alert_stays_the_only_one_and_resolves_by_itself_behind_the_clear_threshold(desk: AlertDesk):
    desk.ruled(SMALL)
    runs = desk.drifted(0.75, 0.8, 0.4, 0.3, 0.6, 0.2)
    assert desk.told() == ["raised", "resolved"]
    resolved = desk.alert_events()[-1]
    assert isinstance(resolved, AlertResolved)
    assert (resolved.run_id, resolved.value) == (runs[-1], 0.2)


def test_the_next_crossing_raises_the_next_number(desk: AlertDesk):
    desk.ruled(SMALL)
    desk.drifted(0.75, 0.1, 0.9)
    assert [one.number for one in desk.raised()] == [1, 2]
    assert len({one.alert_id for one in desk.raised()}) == 2


def test_a_rule_for_several_runs_waits_for_them(desk: AlertDesk):
    desk.ruled(rule(for_runs=3))
    desk.drifted(0.9, 0.9, 0.1, 0.9, 0.9)
    assert desk.told() == []
    desk.drifted(0.9)
    assert desk.told() == ["raised"]


def test_runs_without_the_metric_are_not_counted(desk: AlertDesk):
    desk.ruled(rule(for_runs=2))
    desk.drifted(0.9)
    desk.measured({"quality.duplicates": 0.0})
    desk.train()
    desk.drifted(0.9)
    assert desk.told() == ["raised"]


def test_a_window_compares_its_mean(desk: AlertDesk):
    desk.ruled(rule(window="mean", over=3))
    desk.drifted(0.9, 0.9, 0.0)
    (raised,) = desk.raised()
    assert raised.value == pytest.approx(0.6)


def test_each_metric_of_a_pattern_has_an_alert_of_its_own(desk: AlertDesk):
    desk.ruled(rule("drift.feature.*", name="features"))
    desk.measured({"drift.feature.mom_5": 0.9, "drift.feature.vol": 0.9, "drift.feature.close": 0.1})
    assert [one.metric for one in desk.raised()] == ["drift.feature.mom_5", "drift.feature.vol"]
    desk.measured({"drift.feature.mom_5": 0.1, "drift.feature.vol": 0.9})
    assert desk.told() == ["raised", "raised", "resolved"]


def test_trainings_and_inferences_are_judged_too(desk: AlertDesk):
    desk.ruled(rule("rank_ic", 0.0, comparison="lt"))
    desk.train(rank_ic=-0.1)
    desk.follow()
    assert desk.told() == ["raised"]


def test_what_tells_the_past_again_raises_nothing(desk: AlertDesk):
    desk.ruled(rule("rank_ic", 0.0, comparison="lt"))
    desk.train(rank_ic=-0.1, refit=True, trigger="backfill")
    desk.follow()
    assert desk.told() == []


def test_an_alert_that_somebody_resolved_is_not_raised_again_by_the_runs_of_before(desk: AlertDesk):
    desk.ruled(rule(for_runs=2))
    desk.drifted(0.9, 0.9)
    desk.send(ResolveAlert(alert_id=desk.raised()[0].alert_id))
    desk.drifted(0.9)
    assert desk.told() == ["raised", "resolved"]
    desk.drifted(0.9)
    assert desk.told() == ["raised", "resolved", "raised"]


def test_acting_twice_on_every_event_does_it_once(desk: AlertDesk):
    desk.ruled(SMALL)
    desk.drifted(0.75, 0.1, 0.9, 0.1)
    told = desk.alert_events()
    for recorded in desk.since(0):
        if isinstance(recorded.event, RunCompleted):
            alerting.judge_run(recorded, desk.policies())
    assert desk.alert_events() == told


def test_a_policy_that_was_down_decides_as_one_that_was_not(desk: AlertDesk):
    desk.ruled(SMALL)
    for value in (0.75, 0.4, 0.1, 0.9):
        desk.measured({"drift.share": value}, follow=False)
    desk.follow()
    assert desk.told() == ["raised", "resolved", "raised"]


def test_a_rule_counts_as_it_stood_when_the_run_completed(desk: AlertDesk):
    desk.ruled(rule(threshold=0.9))
    desk.measured({"drift.share": 0.75}, follow=False)
    desk.send(UpdateInstance(name="spx-alpha", alert_rules=(rule(threshold=0.5),)))
    desk.follow()
    assert desk.told() == []


def test_the_rules_of_the_definition_hold_until_the_instance_has_its_own(desk: AlertDesk):
    package = rule("drift.share", 0.2, name="of-the-package")
    desk.define_with_alerts("1.1.0", package)
    desk.send(UpdateInstance(name="spx-alpha", definition="xgb-signal@1.1.0", alert_rules=None))
    desk.follow()
    desk.drifted(0.3)
    assert [one.rule for one in desk.raised()] == [package]
    desk.ruled(rule(name="own"))
    assert desk.told() == ["raised", "resolved"], "the alert of a rule that is gone resolves"
    desk.drifted(0.3)
    assert desk.told() == ["raised", "resolved"]


def test_archiving_resolves_what_is_open_and_nothing_is_raised_after(desk: AlertDesk):
    desk.ruled(SMALL)
    desk.drifted(0.75)
    late = desk.start(desk.submit("monitoring"))
    desk.send(ArchiveInstance(name="spx-alpha"))
    desk.complete(late, {"drift.share": 0.9})
    desk.follow()
    assert desk.told() == ["raised", "resolved"]
    command = RaiseAlert(instance="spx-alpha", rule="drift-share-gt", metric="drift.share", value=0.9)
    desk.refused(InstanceClosed, command)


def test_an_alert_may_be_raised_from_outside_by_a_rule_that_the_instance_has(desk: AlertDesk):
    desk.ruled(SMALL)
    command = RaiseAlert(instance="spx-alpha", rule="drift-share-gt", metric="drift.share", value=0.9)
    assert desk.send(command).kind == "accepted"
    assert desk.send(command).kind == "unchanged", "one is open"
    desk.refused(AlertRuleUnknown, RaiseAlert(instance="spx-alpha", rule="no-such", metric="x", value=1.0))
    desk.refused(
        AlertRuleUnknown,
        RaiseAlert(instance="spx-alpha", rule="drift-share-gt", metric="other", value=0.9),
    )
    desk.refused(
        AlertNotCrossed,
        RaiseAlert(instance="spx-alpha", rule="drift-share-gt", metric="drift.share", value=0.5),
    )
    desk.refused(
        RunUnknown,
        RaiseAlert(
            instance="spx-alpha",
            rule="drift-share-gt",
            metric="drift.share",
            value=0.9,
            run_id=desk.services.ids.run_id(),
        ),
    )


def test_an_acknowledged_alert_stays_open_until_it_is_resolved(desk: AlertDesk):
    desk.ruled(SMALL)
    desk.drifted(0.75)
    (raised,) = desk.raised()
    desk.send(AcknowledgeAlert(alert_id=raised.alert_id))
    assert desk.send(AcknowledgeAlert(alert_id=raised.alert_id)).kind == "unchanged"
    desk.drifted(0.9)
    assert desk.told() == ["raised", "acknowledged"]
    desk.drifted(0.1)
    assert desk.told() == ["raised", "acknowledged", "resolved"]
    assert desk.send(ResolveAlert(alert_id=raised.alert_id)).kind == "unchanged"
    desk.refused(AlertAlreadyResolved, AcknowledgeAlert(alert_id=raised.alert_id))
    desk.refused(AlertUnknown, AcknowledgeAlert(alert_id=raised.alert_id[:-1] + "7"))
    desk.refused(AlertUnknown, ResolveAlert(alert_id="0" * 32 + "-1"))


def test_bad_rules_are_refused_by_name(desk: AlertDesk):
    for rules in (
        (rule(name="one"), rule("x", name="one")),
        (rule(), rule()),
        (rule(clear_threshold=0.6),),
        (rule(comparison="lt", clear_threshold=0.4),),
    ):
        broken = desk.refused(AlertRuleInvalid, UpdateInstance(name="spx-alpha", alert_rules=rules))
        assert broken.facts["rule"] == rules[-1].called


def test_a_threshold_is_a_number(desk: AlertDesk):
    endless = UpdateInstance(name="spx-alpha", alert_rules=(rule(threshold=float("inf")),))
    broken = desk.refused(CommandMalformed, endless)
    assert "alert_rules[0].threshold" in broken.detail
    assert "infinity" in broken.detail


def test_a_retried_monitoring_counts_like_any_other(desk: AlertDesk):
    desk.ruled(SMALL)
    failed = desk.failed_run()
    desk.clock.move(timedelta(minutes=1))
    desk.send(RetryRun(run_id=failed))
    again = desk.last()[0].resource()[1]
    desk.complete(desk.start(again), {"drift.share": 0.9})
    desk.follow()
    assert desk.told() == ["raised"]
