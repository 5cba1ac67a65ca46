"""Alerts on a real service: a run raises one, people look after it, and every moment can be asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infrastructure.cli.main import app
from optaic.mlops import Client
from optaic.mlops.monitoring import AlertManager
from tests.http.life import API, Life, living
from tests.support.processes import wait_until

RULES = [
    {
        "metric": "drift.share",
        "comparison": "gt",
        "threshold": 0.5,
        "clear_threshold": 0.25,
        "severity": "error",
    },
    {"name": "features", "metric": "drift.feature.*", "comparison": "gt", "threshold": 0.8},
]
DRIFTED = {
    "drift.feature.mom": 0.75,
    "drift.feature.vol": 0.25,
    "drift.share": 0.75,
    "drift.prediction.signal": 0.1,
    "performance.rank_ic": 0.01,
    "performance.rank_ic.baseline": 0.02,
    "performance.rank_ic.degradation": 0.5,
    "quality.duplicates": 0.0,
}
HISTOGRAM = {"edges": [0.0, 1.0, 2.0], "reference": [3.0, 4.0], "current": [5.0, 6.0]}


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with living(tmp_path / "data") as one:
        one.ready_instance()
        one.promoted()
        one.inferred()
        changed = one.client.patch(f"{API}/instances/spx-alpha", json={"alert_rules": RULES})
        assert changed.status_code == 200, changed.text
        yield one


def monitored(life: Life, metrics: dict[str, float], **facts: Any) -> str:
    """A completed monitoring run, and all that follows from it."""
    run_id = life.submit(kind="monitoring", as_of="2024-03-12T22:00:00Z")
    token = life.claim(run_id)
    life.post(f"/runs/{run_id}/complete", {"metrics": metrics, "facts": facts}, headers=token)
    return run_id


def opened(life: Life) -> dict[str, Any]:
    """The one open alert, as soon as the policies raised it."""
    wait_until(lambda: bool(life.get("/alerts", state="open")["items"]), "an open alert")
    (alert,) = life.get("/alerts", state="open")["items"]
    return alert


def test_a_monitoring_run_raises_an_alert_that_is_looked_after_and_resolves_by_itself(life: Life):
    run_id = monitored(life, DRIFTED)
    alert = opened(life)
    assert (alert["metric"], alert["value"], alert["severity"]) == ("drift.share", 0.75, "error")
    assert (alert["run_id"], alert["condition"]) == (run_id, "> 0.5")
    raised_at = life.head()

    path = f"/alerts/{alert['id']}"
    etag = life.client.get(API + path).headers["ETag"]
    stale = life.client.post(f"{API}{path}/acknowledge", json={}, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    answer = life.client.post(
        f"{API}{path}/acknowledge", json={"reason": "looking at it"}, headers={"If-Match": etag}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["refs"] == [alert["ref"]]
    assert life.get(path)["acknowledged"]["reason"] == "looking at it"

    clear = monitored(life, {"drift.share": 0.1})
    wait_until(lambda: life.get(path)["state"] == "resolved", "the alert resolves")
    assert life.get(path)["cleared_by"] == clear
    assert life.get("/alerts", state="open")["items"] == []
    assert life.get(path, as_of=raised_at)["state"] == "raised"
    words = [one["sentence"] for one in life.get(f"/history/{alert['ref']}")["events"]["items"]]
    assert words[0].startswith("The error alert drift-share-gt of spx-alpha was raised: drift.share was 0.75")
    assert len(words) == 3


def test_the_monitoring_of_an_instance_is_a_heat_map_and_more(life: Life):
    monitored(life, DRIFTED, distributions={"mom": HISTOGRAM}, report_sha256="a" * 64)
    before = life.head()
    monitored(life, {"drift.feature.mom": 0.5})
    view = life.get("/instances/spx-alpha/monitoring")
    assert view["rules"] == [life_rule | rule for rule, life_rule in zip(RULES, view["rules"], strict=True)]
    assert {row["name"]: row["values"] for row in view["drift"]} == {"mom": [0.75, 0.5], "vol": [0.25, None]}
    (performance,) = view["performance"]
    assert performance == {
        "name": "rank_ic",
        "realised": [0.01, None],
        "baseline": [0.02, None],
        "degradation": [0.5, None],
    }
    assert [row["name"] for row in view["other"]] == ["drift.share", "quality.duplicates"]
    assert view["distributions"] == [HISTOGRAM | {"feature": "mom"}]
    assert [run["report_sha256"] for run in view["runs"]] == ["a" * 64, None]
    assert len(life.get("/instances/spx-alpha/monitoring", as_of=before)["runs"]) == 1
    assert life.get("/instances/spx-alpha/monitoring", runs=1)["drift"][0]["values"] == [0.5]
    life.get("/instances/nobody/monitoring", 404)


def test_people_resolve_by_command_line_and_by_the_sdk(life: Life):
    monitored(life, DRIFTED)
    alert, url = opened(life), str(life.client.base_url)
    told = CliRunner().invoke(app, ["alert", "list", "--url", url])
    assert told.exit_code == 0
    assert alert["id"] in told.stdout
    assert "> 0.5" in told.stdout
    acted = CliRunner().invoke(app, ["alert", "ack", alert["id"], "--reason", "mine", "--url", url])
    assert f"{alert['id']} is acknowledged" in acted.stdout
    with Client(url) as client:
        manager = AlertManager("spx-alpha", client)
        assert [one["state"] for one in manager.open()] == ["acknowledged"]
        assert [rule["metric"] for rule in manager.rules()] == ["drift.share", "drift.feature.*"]
        manager.resolve(alert["id"], "a known move of the index")
        assert manager.open() == []
        assert [one["resolved"]["reason"] for one in manager.all()] == ["a known move of the index"]
        manager.set_rules(None)
        assert manager.rules() == []
    gone = CliRunner().invoke(app, ["alert", "show", "0" * 32 + "-1", "--url", url, "--json"])
    assert (gone.exit_code, '"alert.unknown"' in gone.stdout) == (1, True)


def test_a_bad_rule_and_a_resolved_alert_are_refused_by_name(life: Life):
    bad = life.client.patch(f"{API}/instances/spx-alpha", json={"alert_rules": [RULES[0], RULES[0]]})
    assert (bad.status_code, bad.json()["code"]) == (422, "alert.rule_invalid")
    misspelt = life.client.patch(f"{API}/instances/spx-alpha", json={"alert_rules": [{"metrik": "x"}]})
    assert (misspelt.status_code, misspelt.json()["code"]) == (400, "command.malformed")
    monitored(life, DRIFTED)
    path = f"/alerts/{opened(life)['id']}"
    life.post(f"{path}/resolve")
    assert life.post(f"{path}/acknowledge", status=409)["code"] == "alert.already_resolved"
    assert life.post("/alerts/" + "0" * 32 + "-1/resolve", status=404)["code"] == "alert.unknown"
    assert life.post(f"{path}/resolve", {"value": 1.0}, 400)["code"] == "command.malformed"
