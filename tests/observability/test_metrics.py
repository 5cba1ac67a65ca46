"""The metrics: every one documented, on the dashboard by its exported name, and counted where it happens."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from application.ports import Outcome
from domain.shared.errors import StreamConflict
from infrastructure.activity_log.group_commit import GroupCommit
from infrastructure.activity_log.submission import submission_of_writes
from infrastructure.http.app import create_app
from infrastructure.observability import metrics
from infrastructure.observability.seams import observe_appends
from tests.activity_log.scenes import envelope, write
from tests.http.life import living, served

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "docs/grafana/optaic-mlops.json").read_text())
PAGE = (ROOT / "docs/observability.md").read_text()
ISSUE = {
    "events appended": "optaic_mlops_events_appended_total",
    "queue depth": "optaic_mlops_append_queue",
    "append latency": "optaic_mlops_append_seconds_bucket",
    "relay lag": "optaic_mlops_relay_lag_events",
    "projection lag in events": "optaic_mlops_projection_lag_events",
    "projection lag in seconds": "optaic_mlops_projection_lag_seconds",
    "DLQ": "optaic_mlops_dead_letters_total",
    "conflicts": "optaic_mlops_append_conflicts_total",
    "refusals": "optaic_mlops_refusals_total",
}


def families():
    """Name → kind, of our own."""
    found = {one.name: one.type for one in metrics.REGISTRY.collect() if one.name.startswith(metrics.PREFIX)}
    return found | {metrics.EVENTS.NAME: "counter"}


def exported_names():
    """The names that samples have in the text format."""
    ends = {
        "counter": ("_total",),
        "histogram": ("_bucket", "_sum", "_count"),
        "gauge": ("",),
        "info": ("_info",),
    }
    return {f"{name}{end}" for name, kind in families().items() for end in ends[kind]}


def queries():
    panels = DASHBOARD["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def test_the_dashboard_asks_for_exported_names_only():
    asked = {name for query in queries() for name in re.findall(r"optaic_mlops_\w+", query)}
    assert asked
    assert asked <= exported_names()


@pytest.mark.parametrize("wanted", ISSUE.values(), ids=ISSUE)
def test_the_dashboard_shows_what_an_operator_needs(wanted):
    assert any(wanted in query for query in queries())


def test_the_dashboard_has_no_panel_twice_and_a_source_to_choose():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert DASHBOARD["schemaVersion"] >= 38
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["datasource"]["uid"] == "${source}"


def test_every_metric_is_documented_and_no_other():
    documented = set(re.findall(r"^\| `(optaic_mlops_\w+)`", PAGE, re.MULTILINE))
    assert documented == {
        f"{name}{ {'counter': '_total', 'info': '_info'}.get(kind, '') }" for name, kind in families().items()
    }


def test_the_exposition_can_be_parsed_and_no_family_comes_twice():
    metrics.describe("relay")
    text = metrics.exposition().decode()
    names = [one.name for one in text_string_to_metric_families(text)]
    assert len(set(names)) == len(names)
    assert 'role="relay"' in text
    assert re.search(r'optaic_mlops_service_info\{[^}]*version="\d', text)


def value(name, **labels):
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def test_appends_conflicts_and_latency_are_counted_by_answer():
    answers = iter(
        (Outcome(kind="accepted", position=3), StreamConflict("no"), Outcome(kind="unchanged", position=3))
    )
    commit = GroupCommit(lambda batch: [next(answers) for _ in batch])
    observe_appends(commit)
    names = [
        "optaic_mlops_events_appended_total",
        "optaic_mlops_append_conflicts_total",
        "optaic_mlops_append_seconds_count",
    ]
    before = [value(name) for name in names]
    made = submission_of_writes(envelope(), [write("stream", 0, 3)])
    commit.submit(made)
    with pytest.raises(StreamConflict):
        commit.submit(made)
    commit.submit(made)
    commit.close()
    assert [value(name) - was for name, was in zip(names, before, strict=True)] == [3, 1, 2]
    assert value("optaic_mlops_append_queue") == 0


def test_requests_are_counted_by_template_never_by_path(tmp_path):
    with living(tmp_path / "data") as life:
        app = create_app(life.service, life.service.settings)
        with served(app) as client:
            assert client.get("/api/v1/runs/some-run-id").status_code == 404
            assert client.get("/api/v1/nowhere/at-all").status_code == 404
            assert client.request("PROPFIND", "/api/v1/health").status_code == 405
            text = client.get("/metrics").text
    assert "some-run-id" not in text
    assert "at-all" not in text
    assert "PROPFIND" not in text
    samples = [line for line in text.splitlines() if line.startswith("optaic_mlops_http_requests_total")]
    assert any('route="/api/v1/runs/{run_id}"' in line and 'status="4xx"' in line for line in samples), (
        samples
    )
    assert any('route="(none)"' in line for line in samples), samples
    assert any('method="other"' in line for line in samples), samples
    assert "optaic_mlops_events_total" in text
    assert 'optaic_mlops_projection_lag_events{partition="all"' in text


def test_a_correlation_id_that_is_missing_or_odd_is_replaced_for_everyone(tmp_path):
    with living(tmp_path / "data") as life:
        app = create_app(life.service, life.service.settings)
        with served(app) as client:
            for odd in ({}, {"X-Correlation-Id": "odd"}):
                answer = client.get("/api/v1/health", headers=odd)
                assert len(answer.headers["X-Correlation-Id"]) == 36
            known = "0af76519-16cd-43dd-8448-eb211c80319c"
            answer = client.get("/api/v1/health", headers={"X-Correlation-Id": known})
            assert answer.headers["X-Correlation-Id"] == known


def test_a_cold_command_line_loads_neither_metrics_nor_traces():
    code = (
        "import sys, infrastructure.cli.main\n"
        "print([n for n in ('prometheus_client', 'structlog', 'opentelemetry') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
