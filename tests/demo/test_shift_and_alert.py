"""The account of the shift, its alert and its monitoring runs is true to the log."""

import gzip

from domain.alert.events import AlertAcknowledged, AlertRaised, AlertResolved
from domain.dataset.events import DatasetVersionWritten
from domain.ml_module_def.events import DefinitionSubmitted
from domain.run.events import RunCompleted, RunStarted, RunSubmitted
from infrastructure.artifacts.store import FolderArtifactStore
from tests.demo.conftest import events_of, lines


def monitorings(played):
    return [one for one in events_of(played, RunCompleted) if one.action == "monitoring_run.completed"]


def test_the_fault_is_in_the_copy_of_the_prices_and_nowhere_else(played):
    made_up = lines(
        played, r"^  (\S+)@\d+ .*made up: the closes of 8 of 20 stocks stand still up to 2022-04-29$"
    )
    assert made_up == ["us-prices-feed"]
    written = [one.event for one in events_of(played, DatasetVersionWritten)]
    assert [one.number for one in written if one.dataset == "us-prices-feed"] == [1, 2, 3]
    assert [one.number for one in written if one.dataset == "us-prices"] == [1]
    read_it = {
        one.event.instance
        for one in events_of(played, RunSubmitted)
        if "us-prices-feed" in {pinned.dataset for pinned in one.event.inputs}
    }
    assert read_it == {"feed-watch"}


def test_the_alert_is_the_one_that_the_packages_rule_raised(played):
    (raised,) = events_of(played, AlertRaised)
    alert = raised.event
    shown = lines(
        played,
        r"^  alert raised  (\S+) ([\d.]+), the rule of (\S+) is > ([\d.]+) · (\w+) · by (\S+) \[(\d+)\]$",
    )
    metric, value, definition, line, severity, actor, position = shown[0]
    assert (metric, float(value), float(line)) == (alert.metric, round(alert.value, 3), alert.rule.threshold)
    assert alert.value > alert.rule.threshold
    assert (severity, actor) == (alert.rule.severity, raised.actor.principal)
    assert (raised.position, [alert.alert_id]) == (int(position), lines(played, r"^ +alert (\S+)$"))
    (package,) = [
        one.event for one in events_of(played, DefinitionSubmitted) if one.resource_id == definition
    ]
    assert alert.rule in package.manifest.alerts
    (run,) = [one.event for one in events_of(played, RunCompleted) if one.event.run_id == alert.run_id]
    assert run.metrics["drift.share"] == alert.value
    (drifted,) = lines(
        played, r"monitored +as of 2022-04-29: .* features are spread unlike then: (.*) · drift\.share"
    )
    assert drifted.split(", ") == sorted(run.facts["drifted"])


def test_the_alert_was_acknowledged_by_somebody_and_resolved_by_the_policy(played):
    (seen,) = events_of(played, AlertAcknowledged)
    (ended,) = events_of(played, AlertResolved)
    ((who, why, at),) = lines(played, r'^  acknowledged  by (\S+), "(.*)" \[(\d+)\]$')
    assert (seen.actor.principal, seen.reason, seen.position) == (who, why, int(at))
    ((value, policy, end),) = lines(
        played, r"^  resolved +by itself: drift\.share ([\d.]+) · by (\S+) \[(\d+)\]$"
    )
    assert (ended.actor.principal, ended.position) == (policy, int(end))
    assert float(value) == round(ended.event.value, 3) <= 0.3
    last = monitorings(played)[-1]
    assert ended.event.run_id == last.event.run_id
    repaired = [
        one for one in events_of(played, DatasetVersionWritten) if one.event.dataset == "us-prices-feed"
    ]
    assert seen.position < repaired[-1].position < last.position < ended.position


def test_evidently_measured_inside_a_sandbox_of_namespaces(played):
    """The monitoring runs of the combination and the filter, whose definitions ask for Evidently."""
    instances = {one.event.run_id: one.event.instance for one in events_of(played, RunSubmitted)}
    levels = {one.event.run_id: one.event.sandbox_level for one in events_of(played, RunStarted)}
    measured = {
        instances[one.event.run_id]: one.event
        for one in events_of(played, RunCompleted)
        if one.action == "monitoring_run.completed"
        and instances[one.event.run_id] in {"spx-blend", "spx-picks"}
    }
    assert len(measured) == 2
    for run in measured.values():
        assert levels[run.run_id] in ("L2", "L3")
        assert run.facts["scored_by"].startswith("evidently ")
        page = FolderArtifactStore(played.data / "artifacts").get(run.facts["evidently_sha256"])
        assert b"<html" in gzip.decompress(page).lower()
        assert run.facts["report_sha256"]
