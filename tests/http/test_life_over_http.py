"""The whole life of a model through the routes, and what the past looked like."""

import gzip
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from infrastructure.http.errors import RunReportMissing
from tests.http.life import API, CSV, PRICES, ZIP, Life, package


def test_the_life_of_a_model_from_package_to_rollback(lived: Life):
    versions = lived.get("/instances/spx-alpha/versions")["items"]
    assert [(one["ref"], one["stage"]) for one in versions] == [
        ("spx-alpha@2", "archived"),
        ("spx-alpha@1", "production"),
    ]
    history = lived.get("/instances/spx-alpha/production")
    assert [(one["ref"], one["how"], one["since"]["reason"]) for one in history["items"]] == [
        ("spx-alpha@1", "promoted", "first version, gate passed"),
        ("spx-alpha@2", "promoted", "retrained"),
        ("spx-alpha@1", "rolled_back", "rehearsal"),
    ]
    assert history["current"]["ref"] == "spx-alpha@1"


def test_which_version_was_in_production_can_be_asked_by_position_and_by_time(lived: Life):
    second = lived.get("/instances/spx-alpha/production")["items"][1]["since"]
    path = "/instances/spx-alpha/production"
    assert lived.get(path, as_of=second["position"])["current"]["ref"] == "spx-alpha@2"
    assert lived.get(path, as_of=second["position"] - 1)["current"]["ref"] == "spx-alpha@1"
    assert lived.get(path, as_of=second["at"])["current"]["ref"] == "spx-alpha@2"


def test_lineage_reaches_from_predictions_to_prices_in_every_form(lived: Life):
    node = "dataset_version:spx-alpha-predictions@1"
    view = lived.get(f"/lineage/{node}", direction="up")
    assert "dataset_version:us-prices@1" in {one["node"] for one in view["nodes"]}
    assert view["counts"]["model_version"] == 1
    link = lived.client.get(
        f"{API}/lineage/{node}", headers={"Accept": "application/vnd.optaic.node-link+json"}
    )
    assert {one["id"] for one in link.json()["nodes"]} >= {node, "dataset_version:us-prices@1"}
    graph = lived.client.get(f"{API}/lineage/{node}", headers={"Accept": "application/graphml+xml"})
    assert graph.text.startswith("<?xml") or "<graphml" in graph.text
    impact = lived.get("/lineage/dataset_version:us-prices@1/impact")
    assert impact["in_production"] == ["spx-alpha@1"]


def test_a_passport_holds_definition_training_gates_production_and_lineage(lived: Life):
    passport = lived.get("/versions/spx-alpha@1/passport")
    assert passport["definition"]["ref"] == "toy-signal@1.0.0"
    assert passport["training_run"]["id"] == passport["version"]["run_id"]
    assert [one["how"] for one in passport["production"]] == ["promoted", "rolled_back"]
    assert passport["gate_reports"]
    assert passport["lineage"]["direction"] == "up"


def test_artifacts_and_sources_come_back_as_they_were(lived: Life):
    version = lived.get("/versions/spx-alpha@1")
    answer = lived.client.get(f"{API}/versions/spx-alpha@1/artifact")
    assert answer.content == b"model 1"
    assert answer.headers["X-Content-SHA256"] == version["artifact_sha256"]
    assert lived.client.get(f"{API}/definitions/toy-signal/1.0.0/source").content == package()


def test_a_read_sees_what_was_recorded_before_it_came(life: Life):
    declaration = {"columns": [{"name": "close", "type": "float64"}]}
    for number in range(20):
        life.post("/datasets", {"name": f"at-once-{number}", "declaration": declaration}, 201)
        assert life.get(f"/datasets/at-once-{number}")["name"] == f"at-once-{number}"


def test_the_report_of_a_run_says_what_its_gate_judged(lived: Life):
    run_id = lived.get("/versions/spx-alpha@1")["run_id"]
    (entry,) = lived.get(f"/runs/{run_id}/report")["items"]
    assert (entry["report"]["gate"], entry["report"]["enforced_as"]) == ("run_complete", "passed")
    assert entry["report"]["target"] == f"training_run:{run_id}"
    before = entry["act"]["position"] - 1
    assert lived.get(f"/runs/{run_id}/report", as_of=before)["items"] == []


def test_runs_are_found_by_their_metrics(lived: Life):
    wish: dict[str, Any] = {"metric.rank_ic": "gt:0.01", "sort": "-metric.rank_ic", "kind": "training"}
    found = lived.get("/runs", **wish)
    assert len(found["items"]) == 2
    assert lived.get("/runs", **{**wish, "metric.rank_ic": "gt:0.5"})["items"] == []
    ids = ",".join(one["id"] for one in found["items"])
    assert lived.get("/runs/compare", ids=ids)["metrics"][0]["values"] == [0.02, 0.02]


def test_history_tells_everything_of_an_instance_in_words(lived: Life):
    page = lived.get("/history/spx-alpha")["events"]
    assert [one["position"] for one in page["items"]] == sorted(one["position"] for one in page["items"])
    assert any(one["reason"] == "rehearsal" for one in page["items"])
    assert all(one["sentence"].endswith(".") for one in page["items"])


def test_search_finds_by_a_part_of_a_name(lived: Life):
    assert {one["ref"] for one in lived.get("/search", q="alpha")["items"]} >= {"spx-alpha", "spx-alpha@1"}


def test_pages_follow_one_another_at_one_moment(lived: Life):
    seen: list[int] = []
    answer = lived.client.get(f"{API}/activity", params={"limit": 3, "oldest_first": True})
    while True:
        seen += [one["position"] for one in answer.json()["items"]]
        if "link" not in answer.headers:
            break
        answer = lived.client.get(answer.links["next"]["url"])
        assert answer.status_code == 200
    assert seen == list(range(1, lived.head() + 1))


def test_events_are_items_of_their_own(lived: Life):
    assert lived.get("/activity/1")["action"] == "dataset.created"
    assert lived.get("/activity/99999", 404)["code"] == "event.unknown"
    mine = lived.get("/activity", action="model_version.promoted")["items"]
    assert [one["resource_id"] for one in mine] == ["spx-alpha@2", "spx-alpha@1"]


def test_writes_carry_location_etag_and_position(life: Life):
    body = {"name": "us-prices", "declaration": {"columns": [{"name": "close", "type": "float64"}]}}
    answer = life.client.post(f"{API}/datasets", json=body)
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/datasets/us-prices"
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["X-Log-Position"] == "1"
    item = life.client.get(answer.headers["Location"], params={"after": 1})
    assert item.headers["ETag"] == '"1"'


def test_what_was_written_can_be_read_at_once_with_after(life: Life):
    life.dataset()
    for number in range(1, 6):
        rows = f"entity,date,knowledge_date,close\nA,2024-03-0{number},2024-03-0{number}T21:00:00Z,1\n"
        written = life.prices(rows)
        assert life.get("/datasets/us-prices", after=written["position"])["newest"] == number


def test_rows_are_read_as_the_world_knew_them(life: Life):
    life.dataset()
    life.prices()
    life.prices("entity,date,knowledge_date,close\nA,2024-03-07,2024-03-09T12:00:00Z,99.5\n")
    path = "/datasets/us-prices/rows"

    def close_of_a(**query: Any) -> list[float]:
        return [
            one["close"]
            for one in life.get(path, entity="A", first="2024-03-07", last="2024-03-07", **query)["rows"]
        ]

    assert close_of_a() == [99.5]
    assert close_of_a(as_of="2024-03-09T11:59:59Z") == [10.5]
    assert close_of_a(as_of="2024-03-09T12:00:00Z") == [99.5]
    assert close_of_a(version="1") == [10.5]
    assert close_of_a(log_as_of="2") == [10.5]


def test_rows_come_as_arrow_csv_or_json(life: Life):
    import polars as pl

    life.dataset()
    life.prices()
    url = f"{API}/datasets/us-prices/rows"
    as_csv = life.client.get(url, headers={"Accept": "text/csv"})
    assert as_csv.text.splitlines()[0] == "entity,date,knowledge_date,close"
    stream = life.client.get(url, headers={"Accept": "application/vnd.apache.arrow.stream"})
    assert pl.read_ipc_stream(stream.content)["close"].to_list() == [10.5, 20.5, 11.5]
    file = life.client.get(url, params={"limit": 2}, headers={"Accept": "application/vnd.apache.arrow.file"})
    assert pl.read_ipc(file.content).height == 2
    assert file.headers["X-Total-Rows"] == "3"
    assert life.client.get(url, headers={"Accept": "image/png"}).json()["code"] == "request.not_acceptable"


def test_a_bare_date_means_the_close_only_where_there_is_a_calendar(life: Life):
    columns = [{"name": "close", "type": "float64"}]
    life.dataset()
    life.prices()
    assert life.get("/datasets/us-prices/rows", 400, as_of="2024-03-08")["code"] == "pit.naive_timestamp"
    body = {"name": "nyse", "declaration": {"columns": columns, "calendar": "XNYS"}}
    life.post("/datasets", body, 201)
    life.client.post(f"{API}/datasets/nyse/versions", content=PRICES, headers=CSV)
    assert life.get("/datasets/nyse/rows", as_of="2024-03-08")["as_of"] == "2024-03-08T21:00:00Z"
    assert life.get("/datasets/nyse/rows", 422, as_of="2024-03-09")["code"] == "calendar.day_not_a_session"


def test_a_package_with_the_same_bytes_is_nothing_new(life: Life):
    life.definition()
    again = life.client.post(f"{API}/definitions", content=package(), headers=ZIP)
    assert again.status_code == 200
    assert again.json()["outcome"] == "unchanged"


def test_definitions_are_published_and_deprecated(life: Life):
    life.definition()
    life.post("/definitions/toy-signal/1.0.0/publish")
    assert life.get("/definitions/toy-signal/1.0.0", after=life.head())["state"] == "published"
    assert life.post("/definitions/toy-signal/1.0.0/deprecate", {}, 422)["code"] == "reason.missing"
    life.post("/definitions/toy-signal/1.0.0/deprecate", {"reason": "superseded"})
    assert life.get("/definitions/toy-signal", after=life.head())["items"][0]["state"] == "deprecated"


def test_a_failed_definition_can_be_evaluated_again(life: Life):
    life.definition(verdict="failed")
    assert life.post("/definitions/toy-signal/1.0.0/evaluate", status=202)["outcome"] == "accepted"


def test_an_instance_is_updated_and_archived(life: Life):
    life.ready_instance()
    answer = life.client.patch(f"{API}/instances/spx-alpha", json={"description": "new words"})
    assert answer.status_code == 200
    assert life.get("/instances/spx-alpha", after=life.head())["specification"]["description"] == "new words"
    life.post("/instances/spx-alpha/archive", {"reason": "end of the desk"})
    assert life.get("/instances/spx-alpha", after=life.head())["state"] == "archived"


def test_a_dry_run_writes_nothing_and_shows_the_gates_report(life: Life):
    life.ready_instance()
    ref = life.trained()
    head = life.head()
    shown = life.post(f"/versions/{ref}/promote", {"reason": "try"}, dry_run=True)
    assert shown["report"]["enforced_as"] == "passed"
    assert shown["dry_run"] is True
    body = {
        "name": "other",
        "definition": "toy-signal@1.0.0",
        "training_datasets": [{"dataset": "us-prices"}],
    }
    assert life.post("/instances", body, 200, dry_run=True)["outcome"] == "unchanged"
    assert life.head() == head


def test_promotion_returns_the_gates_report(life: Life):
    life.ready_instance()
    ref = life.trained()
    assert life.post(f"/versions/{ref}/promote", {"reason": "good"})["report"]["ok"] is True


def test_a_gate_that_blocks_refuses_with_its_report(life: Life):
    life.ready_instance()
    ref = life.trained(rank_ic=0.001)
    problem = life.post(f"/versions/{ref}/stage", {"reason": "hope"}, 422)
    assert problem["code"] == "guardrail.blocked"
    assert problem["report"]["enforced_as"] == "blocked"


BY_SPACE = """
[[contracts]]
kind = "model.performance"
config = { metric = "hit", at_least = 0.5 }
"""


def test_a_version_that_staging_only_warns_of_is_staged_by_hand(life: Life):
    life.dataset()
    life.prices()
    life.client.post(f"{API}/definitions", content=package(extra=BY_SPACE), headers=ZIP).raise_for_status()
    life.judge("toy-signal", "1.0.0", "passed")
    life.instance()
    ref = life.trained()
    assert life.get(f"/versions/{ref}", after=life.head())["stage"] == "none"
    report = life.post(f"/versions/{ref}/stage", {"reason": "good enough to try"})["report"]
    assert (report["ok"], report["enforced_as"]) == (False, "warned")
    assert life.get(f"/versions/{ref}", after=life.head())["stage"] == "staging"


def test_a_named_version_comes_back_by_rollback(life: Life):
    life.ready_instance()
    older, newer = life.promoted(), life.promoted()
    life.post(f"/versions/{older}/rollback", {"reason": "the newer one drifts"})
    assert life.get(f"/versions/{older}", after=life.head())["stage"] == "production"
    assert life.get(f"/versions/{newer}")["stage"] == "archived"


def test_the_log_that_a_worker_hands_over_is_shown(life: Life):
    life.ready_instance()
    run_id = life.submit()
    token = life.claim(run_id)
    log = life.client.post(f"{API}/blobs", content="epoch 1").json()["sha256"]
    failure = {"code": "run.crashed", "message": "out of luck", "log_sha256": log}
    life.post(f"/runs/{run_id}/fail", failure, headers=token)
    answer = life.client.get(f"{API}/runs/{run_id}/logs", params={"after": life.head()})
    assert (answer.status_code, answer.text) == (200, "epoch 1")


def monitored(life: Life, facts: dict[str, Any]) -> str:
    """A completed monitoring with these facts; its run."""
    life.ready_instance()
    life.promoted()
    life.inferred()
    run_id = life.submit(kind="monitoring", as_of="2024-03-11T22:00:00Z")
    life.post(f"/runs/{run_id}/complete", {"facts": facts}, headers=life.claim(run_id))
    life.get(f"/runs/{run_id}", after=life.head())
    return run_id


def test_a_page_that_a_monitoring_handed_in_is_shown_in_a_sandbox(life: Life):
    page = gzip.compress(b"<p>drift</p>")
    sha256 = life.client.post(f"{API}/blobs", content=page).json()["sha256"]
    run_id = monitored(life, {"evidently_sha256": sha256})
    shown = life.client.get(f"{API}/runs/{run_id}/reports/evidently")
    assert shown.text == "<p>drift</p>"
    assert shown.headers["Content-Security-Policy"].startswith("sandbox allow-scripts; default-src 'none'")
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("wrong", [None, 7, "../../etc/passwd", b"{}", b"\xff"])
def test_a_report_that_no_run_handed_in_or_that_is_none_is_missing(life: Life, wrong: Any):
    if isinstance(wrong, bytes):
        wrong = life.client.post(f"{API}/blobs", content=wrong).json()["sha256"]
    run_id = monitored(life, {} if wrong is None else {"report_sha256": wrong})
    missing = life.get(f"/runs/{run_id}/reports/measured", 404)
    assert missing["code"] == RunReportMissing.code == "run.report_missing"


def test_a_version_is_annotated_and_archived(life: Life):
    life.ready_instance()
    ref = life.trained()
    assert life.client.patch(f"{API}/versions/{ref}", json={"tags": ["keep"]}).status_code == 200
    life.post(f"/versions/{ref}/archive", {"reason": "not needed"})
    view = life.get(f"/versions/{ref}", after=life.head())
    assert (view["tags"], view["stage"]) == (["keep"], "archived")


def test_a_run_is_cancelled_once(life: Life):
    life.ready_instance()
    run_id = life.submit()
    life.post(f"/runs/{run_id}/cancel")
    assert life.post(f"/runs/{run_id}/cancel", status=409)["code"] == "run.already_finished"
    assert life.get(f"/runs/{run_id}", after=life.head())["state"] == "cancelled"


def test_waiting_for_a_run_brings_its_end(life: Life):
    life.ready_instance()
    run_id = life.submit()
    life.post(f"/runs/{run_id}/cancel")
    key = {"Idempotency-Key": "k"}
    first = life.post(
        "/instances/spx-alpha/runs", {"kind": "training", "as_of": "2024-03-08T22:00:00Z"}, 202, key
    )
    life.post(f"/runs/{first['run_id']}/cancel")
    body = {"kind": "training", "as_of": "2024-03-08T22:00:00Z"}
    again = life.post("/instances/spx-alpha/runs", body, 201, key, wait=20)
    assert again["repeated"] is True
    assert again["run"]["state"] == "cancelled"


def test_a_worker_reports_metrics_progress_and_failure(life: Life):
    life.ready_instance()
    run_id = life.submit()
    token = life.claim(run_id)
    points = {"points": [{"name": "loss", "step": step, "value": 1 / (step + 1)} for step in range(3)]}
    life.post(f"/runs/{run_id}/metrics", points, 201, token)
    series = life.get(f"/runs/{run_id}/metrics", after=life.head(), name="loss")["items"]
    assert [one["step"] for one in series] == [0, 1, 2]
    life.post(f"/runs/{run_id}/progress", {"fraction": 0.5, "message": "half"}, 200, token)
    assert life.get(f"/runs/{run_id}/progress") == {"fraction": 0.5, "message": "half"}
    assert life.get(f"/runs/{run_id}/logs", 404)["code"] == "run.log_missing"
    life.post(f"/runs/{run_id}/fail", {"code": "run.crashed", "message": "no luck"}, 200, token)
    assert life.get(f"/runs/{run_id}", after=life.head())["error"]["message"] == "no luck"


def test_a_backfill_without_a_refit_is_one_inference_a_version(life: Life):
    life.ready_instance()
    life.promoted()
    begun = life.post("/instances/spx-alpha/backfill", {"from": "2024-03-11", "to": "2024-03-15"}, 202)
    view = life.get(f"/runs/{begun['run_id']}", after=life.head())
    assert view["decisions"] == {"first": "2024-03-11", "last": "2024-03-15"}
    known = life.get(f"/workflows/{begun['correlation_id']}")
    assert (known["state"], [run["id"] for run in known["runs"]]) == ("running", begun["run_ids"])


def test_a_backfill_with_a_refit_begins_with_a_training_a_block(life: Life):
    life.ready_instance()
    asked = {"from": "2024-03-11", "to": "2024-05-10", "refit": "1m"}
    begun = life.post("/instances/spx-alpha/backfill", asked, 202)
    runs = life.get(f"/workflows/{begun['correlation_id']}", after=life.head())["runs"]
    assert [(run["kind"], run["refit"], run["as_of"][:10]) for run in runs] == [
        ("training", True, "2024-03-11"),
        ("training", True, "2024-04-11"),
    ]
    for wrong in ({"refit": "1w"}, {"refit": "5"}, {"refit": "1y", "model_version": 1}, {"to": "2024-01-01"}):
        refused = life.post("/instances/spx-alpha/backfill", {**asked, **wrong}, 422)
        assert refused["code"] == "run.backfill_invalid"


def test_a_purged_dataset_version_answers_410(life: Life):
    life.dataset()
    life.prices()
    life.post("/datasets/us-prices/versions/1/purge", {"reason": "licence"})
    assert life.get("/datasets/us-prices/rows", 410, after=life.head())["status"] == 410


def test_any_command_goes_in_one_envelope(life: Life):
    message = {
        "command_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "type": "create_dataset",
        "data": {"name": "us-prices", "declaration": {"columns": [{"name": "close", "type": "float64"}]}},
        "reason": "by envelope",
        "correlation_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    }
    first = life.post("/commands", message, 201)
    again = life.post("/commands", message, 201)
    assert (first["repeated"], again["repeated"], again["position"]) == (False, True, 1)
    event = life.get("/activity/1", after=1)
    assert (event["reason"], event["correlation_id"]) == ("by envelope", message["correlation_id"])


def test_the_service_says_how_it_is(lived: Life):
    assert lived.get("/health")["status"] == "ok"
    assert lived.get("/ready")["status"] == "ready"
    assert lived.get("/version")["api"] == "v1"
    assert {one["name"] for one in lived.get("/system/projections")["items"]} >= {
        "registry",
        "runs",
        "lineage",
    }
    assert "optaic_mlops_events_total" in lived.client.get("/metrics").text
    named = [
        {line.partition("{")[0].partition(" ")[0] for line in lived.client.get(path).text.splitlines()}
        for path in ("/metrics", f"{API}/metrics")
    ]
    assert named[0] == named[1]
    assert lived.get("/problems/run.already_finished")["status"] == 409


def test_views_are_rebuilt_and_everything_verified_over_http(life: Life):
    life.ready_instance()
    assert all(one["is_equal"] for one in life.post("/system/rebuild")["items"])
    assert life.post("/system/rebuild", {"projections": ["nope"]}, 404)["code"] == "view.unknown"
    assert life.post("/system/verify")["problems"] == []


def test_plain_pages_need_nothing_from_elsewhere(lived: Life):
    for path in ("/", "/api/docs"):
        page = lived.client.get(path)
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "<script" not in page.text
    home = lived.client.get("/").text
    assert home.count("curl ") == 3
    assert "as_of=" in home.partition("curl ")[2].partition("curl ")[0]


def test_datasets_and_their_versions_are_listed(lived: Life):
    assert [one["name"] for one in lived.get("/datasets", kind="source")["items"]] == ["us-prices"]
    assert lived.get("/datasets/us-prices/versions")["items"][0]["ref"] == "us-prices@1"
    assert lived.get("/datasets/us-prices/versions/1")["state"] == "verified"
    assert lived.get("/definitions")["items"][0]["ref"] == "toy-signal@1.0.0"
    assert lived.get("/instances", state="ready")["items"][0]["name"] == "spx-alpha"
    assert lived.get("/versions", stage="production")["items"][0]["ref"] == "spx-alpha@1"


def test_answers_are_plain_http(lived: Life):
    answer: httpx.Response = lived.client.get(f"{API}/instances")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Correlation-Id"]


def test_when_an_instance_runs_next_is_told(life: Life):
    life.ready_instance()
    weekly = {"kind": "training", "cron": "0 6 * * 1", "timezone": "America/New_York"}
    off = {"kind": "inference", "cron": "* * * * *", "enabled": False}
    follows = {"kind": "monitoring", "after_dataset": "spx-alpha-predictions"}
    patched = life.client.patch(
        API + "/instances/spx-alpha", json={"schedules": [weekly, off, follows], "reason": "weekly"}
    )
    assert patched.status_code == 200, patched.text
    items = life.get("/instances/spx-alpha/schedules", after=life.head())["items"]
    assert [one["schedule"]["kind"] for one in items] == ["training", "inference", "monitoring"]
    due = [datetime.fromisoformat(at).astimezone(ZoneInfo("America/New_York")) for at in items[0]["next"]]
    assert [(at.weekday(), at.hour, at.minute) for at in due] == [(0, 6, 0)] * 3
    assert due == sorted(set(due))
    assert due[0] > datetime.now(UTC)
    assert [one["next"] for one in items[1:]] == [[], []]
    life.post("/instances/spx-alpha/archive", {"reason": "end of the test"})
    assert life.get("/instances/spx-alpha/schedules", after=life.head())["items"] == []
