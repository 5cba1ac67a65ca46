"""G15, the rest: every operation answers 2xx on a real service, with exactly what the document says.

The tables are literal: a new route without an entry fails, and so does an entry that asks another route.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.http.life import API, CSV, PRICES, TRAINED_AS_OF, ZIP, Life, declaration, living, package

Ask = Callable[[Life], httpx.Response]
DOCUMENT = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8")
)
COMPONENTS: dict[str, Any] = DOCUMENT["components"]["schemas"]
ROUTES = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
JSON = "application/json"
REASON = {"reason": "a test"}
COLUMNS = [{"name": "close", "type": "float64"}]
DATASET = {"name": "us-prices", "declaration": declaration(COLUMNS)}
INSTANCE = {
    "name": "other",
    "definition": "toy-signal@1.0.0",
    "training_datasets": [{"dataset": "us-prices"}],
}
ENVELOPE = {
    "command_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "type": "create_dataset",
    "data": DATASET,
    "reason": "by envelope",
}
BY_SPACE = """
[[contracts]]
kind = "model.performance"
config = { metric = "hit", at_least = 0.5 }
"""
"""A contract that the completion of `Life.trained` misses, enforced as its space says: a warning."""
KEY = {"principal": "p_ada", "role": "writer", "label": "laptop"}
NODE = "dataset_version:spx-alpha-predictions@1"


def read(path: str, **query: Any) -> Ask:
    """GET; `{run}` stands for the training run of the first version."""

    def ask(life: Life) -> httpx.Response:
        run_id = life.get("/versions/spx-alpha@1")["run_id"]
        filled = {name: str(value).replace("{run}", run_id) for name, value in query.items()}
        return life.client.get(API + path.replace("{run}", run_id), params=filled)

    return ask


def change(before: Callable[[Life], str], path: str, body: Any = None, method: str = "POST") -> Ask:
    """Send JSON; `{}` stands for what `before` made."""

    def ask(life: Life) -> httpx.Response:
        return life.client.request(method, API + path.replace("{}", before(life)), json=body or {})

    return ask


def report(path: str, body: Any) -> Ask:
    """Send JSON as the worker that claimed a run."""

    def ask(life: Life) -> httpx.Response:
        run_id = pending(life)
        return life.client.post(f"{API}/runs/{run_id}/{path}", json=body, headers=life.claim(run_id))

    return ask


def upload(before: Callable[[Life], Any], path: str, content: bytes, headers: dict[str, str]) -> Ask:
    """Send a file."""

    def ask(life: Life) -> httpx.Response:
        before(life)
        return life.client.post(API + path, content=content, headers=headers)

    return ask


def nothing(_life: Life) -> str:
    """No preparation."""
    return ""


def given(life: Life) -> str:
    """A key that was granted; its id."""
    return life.post("/access/keys", KEY, 201)["key_id"]


def written(life: Life) -> str:
    """A dataset with rows; its name."""
    life.dataset()
    life.prices()
    return "us-prices"


def failed(life: Life) -> str:
    """A definition that failed its evaluation; its path."""
    life.definition(verdict="failed")
    return "toy-signal/1.0.0"


def passed(life: Life) -> str:
    """A definition that passed; its path."""
    life.definition()
    return "toy-signal/1.0.0"


def published(life: Life) -> str:
    """A published definition; its path."""
    path = passed(life)
    life.post(f"/definitions/{path}/publish")
    return path


def ready(life: Life) -> str:
    """An instance; its name."""
    life.ready_instance()
    return "spx-alpha"


def pending(life: Life) -> str:
    """A run that nobody has claimed; its id."""
    return life.submit(ready(life))


def trained(life: Life) -> str:
    """A version; its reference."""
    return life.trained(ready(life))


def held_back(life: Life) -> str:
    """A version that its gate warned of, so that it was not staged by itself; its reference."""
    life.dataset()
    life.prices()
    upload(nothing, "/definitions", package(extra=BY_SPACE), ZIP)(life).raise_for_status()
    life.judge("toy-signal", "1.0.0", "passed")
    life.instance()
    return life.trained()


def in_production(life: Life) -> str:
    """An instance with a version in production; its name."""
    life.promoted(name := ready(life))
    return name


def replaced(life: Life) -> str:
    """A version that another one followed in production; its reference."""
    former = life.promoted(name := ready(life))
    life.promoted(name)
    return former


def followed(life: Life) -> str:
    """An instance whose production has a former version; its name."""
    return replaced(life).partition("@")[0]


def cancelled(life: Life) -> str:
    """A cancelled run; its id."""
    run_id = pending(life)
    life.post(f"/runs/{run_id}/cancel")
    return run_id


def trained_run(life: Life) -> str:
    """The training that made a version; its id."""
    ref = trained(life)
    return life.get(f"/versions/{ref}", after=life.head())["run_id"]


def alerted(life: Life) -> str:
    """An open alert; its id."""
    return life.alerted(ready(life))


def show_alert(life: Life) -> httpx.Response:
    """The alert of the life behind it."""
    (alert,) = life.get("/alerts")["items"]
    return life.client.get(f"{API}/alerts/{alert['id']}")


def show_workflow(life: Life) -> httpx.Response:
    """A backfill that has begun."""
    begun = CHANGES["backfill"](life).json()
    return life.client.get(f"{API}/workflows/{begun['correlation_id']}", params={"after": life.head()})


def complete_run(life: Life) -> httpx.Response:
    """A training that hands over its model."""
    blob = life.client.post(f"{API}/blobs", content=b"model").json()
    done = {"metrics": {"rank_ic": 0.02}, "artifact": {**blob, "format": "toy"}}
    return report("complete", done)(life)


def show_logs(life: Life) -> httpx.Response:
    """What a failed run had printed."""
    sha256 = life.client.post(f"{API}/blobs", content=b"Traceback").json()["sha256"]
    answer = report("fail", {"code": "run.crashed", "message": "no luck", "log_sha256": sha256})(life)
    run_id = answer.json()["refs"][0].partition(":")[2]
    printed = life.client.get(f"{API}/runs/{run_id}/logs", params={"after": life.head()})
    assert printed.content == b"Traceback"
    return printed


MEASURED: dict[str, Any] = {
    "form": 1,
    **dict.fromkeys(("run", "instance", "definition", "category", "as_of"), "x"),
    **{name: {} for name in ("facts", "drift", "quality", "freshness", "performance", "not_measured")},
    "coverage": None,
    "degraded": None,
    "distributions": {},
    "series": [],
}


def handed_in(name: str, content: bytes, path: str) -> Ask:
    """What a monitoring handed in to be read."""

    def ask(life: Life) -> httpx.Response:
        in_production(life)
        life.inferred()
        run_id = life.submit(kind="monitoring", as_of="2024-03-11T22:00:00Z")
        sha256 = life.client.post(f"{API}/blobs", content=content).json()["sha256"]
        done = {"facts": {f"{name}_sha256": sha256}}
        life.post(f"/runs/{run_id}/complete", done, headers=life.claim(run_id))
        return life.client.get(f"{API}/runs/{run_id}/reports/{path}", params={"after": life.head()})

    return ask


def stream_activity(life: Life) -> httpx.Response:
    """One event of the stream, which is the log's first."""
    with life.client.stream("GET", f"{API}/activity/stream", params={"beyond": 0}) as answer:
        data = next(line for line in answer.iter_lines() if line.startswith("data: "))
    event = json.loads(data.removeprefix("data: "))
    assert problems_of(event, {"$ref": "#/components/schemas/ActivityView"}) == []
    assert event["position"] == 1
    return answer


READS: dict[str, Ask] = {
    "list_definitions": read("/definitions"),
    "list_definition_versions": read("/definitions/toy-signal"),
    "show_definition": read("/definitions/toy-signal/1.0.0"),
    "show_source": read("/definitions/toy-signal/1.0.0/source"),
    "list_instances": read("/instances"),
    "show_instance": read("/instances/spx-alpha"),
    "show_production": read("/instances/spx-alpha/production"),
    "show_schedules": read("/instances/spx-alpha/schedules"),
    "list_alerts": read("/alerts", state="open"),
    "show_alert": show_alert,
    "show_monitoring": read("/instances/spx-alpha/monitoring"),
    "list_runs": read("/runs", sort="-metric.rank_ic"),
    "compare_runs": read("/runs/compare", ids="{run}"),
    "show_run": read("/runs/{run}"),
    "show_report": read("/runs/{run}/report"),
    "show_metrics": read("/runs/{run}/metrics"),
    "show_reproductions": read("/runs/{run}/reproductions"),
    "show_progress": read("/runs/{run}/progress"),
    "list_versions": read("/instances/spx-alpha/versions"),
    "list_all_versions": read("/versions"),
    "show_version": read("/versions/spx-alpha@1"),
    "show_passport": read("/versions/spx-alpha@1/passport"),
    "show_artifact": read("/versions/spx-alpha@1/artifact"),
    "list_datasets": read("/datasets"),
    "show_dataset": read("/datasets/us-prices"),
    "list_dataset_versions": read("/datasets/us-prices/versions"),
    "show_dataset_version": read("/datasets/us-prices/versions/1"),
    "show_rows": read("/datasets/us-prices/rows"),
    "show_lineage": read(f"/lineage/{NODE}"),
    "show_impact": read("/lineage/dataset_version:us-prices@1/impact"),
    "list_activity": read("/activity"),
    "stream_activity": stream_activity,
    "show_event": read("/activity/1"),
    "show_history": read("/history/spx-alpha"),
    "show_health": read("/health"),
    "show_readiness": read("/ready"),
    "show_service_version": read("/version"),
    "show_projections": read("/system/projections"),
    "search": read("/search", q="alpha"),
    "explain_problem": read("/problems/run.already_finished"),
    "show_service_metrics": read("/metrics"),
    "list_keys": read("/access/keys"),
}
"""How each operation that changes nothing is asked, of a service with a whole life behind it."""

CHANGES: dict[str, Ask] = {
    "submit_definition": upload(nothing, "/definitions", package(), ZIP),
    "evaluate_definition": change(failed, "/definitions/{}/evaluate"),
    "publish_definition": change(passed, "/definitions/{}/publish"),
    "deprecate_definition": change(published, "/definitions/{}/deprecate", REASON),
    "create_instance": change(ready, "/instances", INSTANCE),
    "update_instance": change(ready, "/instances/{}", {"description": "new words"}, "PATCH"),
    "archive_instance": change(ready, "/instances/{}/archive", REASON),
    "submit_run": change(ready, "/instances/{}/runs", {"kind": "training", "as_of": TRAINED_AS_OF}),
    "backfill": change(in_production, "/instances/{}/backfill", {"from": "2024-03-11", "to": "2024-03-15"}),
    "show_workflow": show_workflow,
    "retry_run": change(cancelled, "/runs/{}/retry"),
    "reproduce_run": change(trained_run, "/runs/{}/reproduce"),
    "cancel_run": change(pending, "/runs/{}/cancel"),
    "start_run": change(pending, "/runs/{}/start", {"worker": "test"}),
    "log_metrics": report("metrics", {"points": [{"name": "loss", "step": 0, "value": 0.5}]}),
    "report_progress": report("progress", {"fraction": 0.5, "message": "half"}),
    "complete_run": complete_run,
    "fail_run": report("fail", {"code": "run.crashed", "message": "no luck"}),
    "show_logs": show_logs,
    "show_measured": handed_in("report", json.dumps(MEASURED).encode(), "measured"),
    "show_evidently": handed_in("evidently", gzip.compress(b"<p>drift</p>"), "evidently"),
    "acknowledge_alert": change(alerted, "/alerts/{}/acknowledge"),
    "resolve_alert": change(alerted, "/alerts/{}/resolve", REASON),
    "annotate_version": change(trained, "/versions/{}", {"tags": ["keep"]}, "PATCH"),
    "stage_version": change(held_back, "/versions/{}/stage", REASON),
    "promote_version": change(trained, "/versions/{}/promote", REASON),
    "rollback_to_version": change(replaced, "/versions/{}/rollback", REASON),
    "rollback_instance": change(followed, "/instances/{}/rollback", REASON),
    "archive_version": change(trained, "/versions/{}/archive", REASON),
    "create_dataset": change(nothing, "/datasets", DATASET),
    "write_version": upload(Life.dataset, "/datasets/us-prices/versions", PRICES.encode(), CSV),
    "purge_version": change(written, "/datasets/{}/versions/1/purge", REASON),
    "send_command": change(nothing, "/commands", ENVELOPE),
    "store_blob": upload(nothing, "/blobs", b"bytes", {"Content-Type": "application/octet-stream"}),
    "rebuild_views": change(written, "/system/rebuild"),
    "verify_all": change(written, "/system/verify"),
    "grant_key": change(nothing, "/access/keys", KEY),
    "revoke_key": change(given, "/access/keys/{}/revoke", REASON),
}
"""How each operation that changes something, or needs a change of its own, is asked of a fresh service."""

CHOICES = [
    (name, kind)
    for name, (_, _, operation) in ROUTES.items()
    if len(kinds := operation["responses"].get("200", {}).get("content", {})) > 1
    for kind in kinds
]
"""Operations that answer in several media types, with each of them."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Two versions, the second promoted over the first, one inference and an open alert."""
    with living(tmp_path_factory.mktemp("asked") / "data") as one:
        replaced(one)
        one.inferred()
        one.alerted()
        one.get("/ready", after=one.head())
        yield one


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Life]:
    with living(tmp_path / "data") as one:
        yield one


def asked(answer: httpx.Response) -> str:
    """The operation that an answer is from: of the paths that fit, the one with the fewest gaps."""
    method, path = answer.request.method, answer.request.url.path
    fitting = {
        name: template.count("{")
        for name, (verb, template, _) in ROUTES.items()
        if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    }
    return min(fitting, key=lambda name: fitting[name])


def closed(schema: Any) -> Any:
    """The same schema where an object has no properties but those it names."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: closed(part) for key, part in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        strict.setdefault("additionalProperties", False)
    return strict


CLOSED = {"schemas": closed(COMPONENTS)}


def problems_of(value: Any, schema: dict[str, Any]) -> list[str]:
    """What of a value the schema does not allow or does not name."""
    validator = Draft202012Validator(
        {**closed(schema), "components": CLOSED}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def check(name: str, answer: httpx.Response) -> str:
    """Assert that an answer is a documented 2xx of this operation; returns its media type."""
    assert asked(answer) == name
    assert answer.is_success, answer.text
    content = ROUTES[name][2]["responses"][str(answer.status_code)]["content"]
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind in content
    if kind == JSON:
        assert problems_of(answer.json(), content[kind]["schema"]) == []
    return kind


@pytest.mark.parametrize("name", READS)
def test_a_question_is_answered_as_documented(name: str, lived: Life):
    check(name, READS[name](lived))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_answered_as_documented(name: str, fresh: Life):
    check(name, CHANGES[name](fresh))


@pytest.mark.parametrize(("name", "kind"), CHOICES)
def test_each_documented_media_type_is_given_when_accepted(
    name: str, kind: str, lived: Life, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(lived.client.headers, "Accept", kind)
    assert check(name, READS[name](lived)) == kind


def test_the_tables_have_each_operation_of_the_document_once():
    assert sorted([*READS, *CHANGES]) == sorted(ROUTES)


def test_a_field_that_the_document_does_not_name_would_be_found():
    health = {"status": "ok", "service": "x"}
    schema = {"$ref": "#/components/schemas/Health"}
    assert problems_of(health, schema) == []
    assert problems_of({**health, "more": 1}, schema)
    assert problems_of({"status": "ok"}, schema)


def is_empty(schema: dict[str, Any]) -> bool:
    """Whether a schema says nothing of what it holds; references, arrays and alternatives are followed."""
    if "$ref" in schema:
        return is_empty(COMPONENTS[schema["$ref"].rsplit("/", 1)[1]])
    if "anyOf" in schema:
        return any(is_empty(part) for part in schema["anyOf"] if part != {"type": "null"})
    if schema.get("type") == "array":
        return is_empty(schema.get("items", {}))
    return not schema.get("properties")


@pytest.mark.parametrize("name", ROUTES)
def test_no_documented_answer_is_without_properties(name: str):
    for status, answer in ROUTES[name][2]["responses"].items():
        if status.startswith("2"):
            assert answer["content"]
            assert not [
                kind for kind, one in answer["content"].items() if kind == JSON and is_empty(one["schema"])
            ]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "array", "items": {}},
        {"anyOf": [{"type": "object"}, {"type": "null"}]},
    ],
)
def test_a_schema_that_says_nothing_is_called_empty(schema: dict[str, Any]):
    assert is_empty(schema)
