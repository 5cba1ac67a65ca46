"""Every wrong input gets one clear problem: stable code, remedy, no event, no file, never a 500."""

import zipfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest

from tests.http.life import API, CSV, ZIP, Life, declaration, files_of, package

JSON = {"Content-Type": "application/json"}
DATASET = '{"name": "us-prices", "declaration": {"columns": [{"name": "close", "type": "float64"}]}}'


@pytest.fixture
def watched(refusing: Life):
    """A service with a dataset, a definition and an instance; afterwards nothing may have been written."""
    head, files = refusing.head(), files_of(refusing.service.settings.data)
    yield refusing
    assert refusing.head() == head, "an event was written"
    assert files_of(refusing.service.settings.data) == files, "a file was left behind"


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code, problem
    assert {"type", "title", "status", "detail", "code", "remedy", "correlation_id"} <= set(problem)
    assert problem["status"] == status
    assert "Traceback" not in answer.text
    return problem


BODIES = [
    ("", "command.malformed"),
    ("{", "command.malformed"),
    ("[]", "command.malformed"),
    ("null", "command.malformed"),
    ("{} {}", "command.malformed"),
    ('{"name": "aa", "name": "bb"}', "command.malformed"),
    (DATASET.replace('"us-prices"', "5"), "command.malformed"),
    (DATASET.replace('"us-prices"', '"US Prices"'), "command.malformed"),
    (DATASET.replace('"us-prices"', '"a\\n"'), "command.malformed"),
    (DATASET.replace('"us-prices"', '"\\ud800"'), "command.malformed"),
    (DATASET.replace('"name": "us-prices"', '"name": "us-prices", "colour": "red"'), "command.malformed"),
    (DATASET.replace("float64", "decimal"), "command.malformed"),
    (DATASET.replace('"type": "float64"}]', '"type": "float64"}], "early_days": 1e400'), "command.malformed"),
    (DATASET.replace('"type": "float64"}]', '"type": "float64"}], "early_days": NaN'), "command.malformed"),
    (
        DATASET.replace('"type": "float64"}]', '"type": "float64"}], "early_days": 99999999999999999999'),
        "command.malformed",
    ),
    ("[" * 50_000, "command.malformed"),
    (b"\xff\xfe", "command.malformed"),
    (DATASET, "dataset.exists"),
]


@pytest.mark.parametrize(("body", "code"), BODIES, ids=range(len(BODIES)))
def test_malformed_json_is_one_problem(watched: Life, body: Any, code: str):
    answer = watched.client.post(f"{API}/datasets", content=body, headers=JSON)
    refused(answer, 409 if code == "dataset.exists" else 400, code)


def test_every_kind_of_wrong_json_in_one_service(watched: Life):
    for body, code in BODIES[:-1]:
        for path in ("/instances", "/instances/spx-alpha/runs", "/commands", "/instances/spx-alpha/backfill"):
            answer = watched.client.post(API + path, content=body, headers=JSON)
            assert answer.status_code in (400, 422), (path, body, answer.text)
            assert answer.json()["code"] == code


def test_the_problem_names_the_path_of_the_wrong_field(watched: Life):
    body = {"kind": "training", "as_of": 5}
    problem = refused(
        watched.client.post(f"{API}/instances/spx-alpha/runs", json=body), 400, "command.malformed"
    )
    assert "$.as_of" in problem["detail"]


def test_what_the_address_gives_is_not_in_the_body(watched: Life):
    body = {"kind": "training", "instance": "other"}
    refused(watched.client.post(f"{API}/instances/spx-alpha/runs", json=body), 400, "command.malformed")


def test_json_under_another_media_type_is_refused(watched: Life):
    headers = {"Content-Type": "text/plain"}
    answer = watched.client.post(f"{API}/datasets", content=DATASET, headers=headers)
    refused(answer, 415, "request.media_type_unsupported")


def test_a_json_body_has_a_limit(watched: Life):
    answer = watched.client.post(f"{API}/datasets", content=b" " * (1 << 20) + b"{}", headers=JSON)
    refused(answer, 413, "request.too_large")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"colour": "red"}, "request.parameter_unknown"),
        ({"as_of": "yesterday"}, "as_of.malformed"),
        ({"as_of": "2024-03-08T21:00:00"}, "pit.naive_timestamp"),
        ({"as_of": "2024-03-08"}, "pit.naive_timestamp"),
        ({"as_of": "2999-01-01T00:00:00Z"}, "as_of.in_future"),
        ({"as_of": "0001-01-01T00:00:00+14:00"}, "as_of.malformed"),
        ({"as_of": "999999"}, "as_of.beyond_log"),
        ({"after": "999999"}, "as_of.beyond_log"),
        ({"after": "-1"}, "request.parameter_malformed"),
        ({"after": "x"}, "request.parameter_malformed"),
        ({"limit": "0"}, "request.parameter_malformed"),
        ({"limit": "501"}, "request.parameter_malformed"),
        ({"cursor": "nonsense"}, "cursor.malformed"),
    ],
    ids=str,
)
def test_malformed_questions_are_refused(lived: Life, query: dict[str, str], code: str):
    refused(lived.client.get(f"{API}/instances", params=query), 400, code)


def test_a_parameter_twice_is_refused(lived: Life):
    refused(lived.client.get(f"{API}/instances?limit=1&limit=2"), 400, "request.parameter_malformed")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"as_of": "71"}, "as_of.malformed"),
        ({"as_of": "2024-03-08T21:00:00"}, "pit.naive_timestamp"),
        ({"as_of": "2999-01-01T00:00:00Z"}, "as_of.in_future"),
        ({"version": "1", "log_as_of": "1"}, "request.parameters_conflict"),
        ({"first": "08.03.2024"}, "request.parameter_malformed"),
        ({"first": "2024-02-31"}, "request.parameter_malformed"),
        ({"column": "volume"}, "dataset.column_unknown"),
    ],
    ids=str,
)
def test_malformed_questions_for_rows_are_refused(lived: Life, query: dict[str, str], code: str):
    answer = lived.client.get(f"{API}/datasets/us-prices/rows", params=query)
    refused(answer, 422 if code == "dataset.column_unknown" else 400, code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/definitions/nope", 404, "definition.unknown"),
        ("/definitions/nope/1.0.0", 404, "definition.unknown"),
        ("/definitions/nope/1.0.0/source", 404, "definition.unknown"),
        ("/instances/nope", 404, "instance.unknown"),
        ("/instances/nope/versions", 404, "instance.unknown"),
        ("/instances/nope/production", 404, "instance.unknown"),
        ("/runs/nope", 404, "run.unknown"),
        ("/runs/nope/metrics", 404, "run.unknown"),
        ("/runs/nope/logs", 404, "run.unknown"),
        ("/runs/nope/reports/measured", 404, "run.unknown"),
        ("/runs/nope/reports/evidently", 404, "run.unknown"),
        ("/runs/nope/progress", 404, "run.unknown"),
        ("/versions/spx-alpha@99", 404, "version.unknown"),
        ("/versions/spx-alpha", 400, "reference.malformed"),
        ("/versions/spx-alpha@0/artifact", 400, "reference.malformed"),
        ("/datasets/nope", 404, "dataset.unknown"),
        ("/datasets/nope/rows", 404, "dataset.unknown"),
        ("/datasets/nope/versions", 404, "dataset.unknown"),
        ("/datasets/us-prices/versions/99", 404, "dataset.unknown"),
        ("/datasets/us-prices/versions/99999999999999999999", 400, "request.parameter_malformed"),
        ("/lineage/nope", 400, "reference.malformed"),
        ("/lineage/model_version:nope@1", 404, "lineage_node.unknown"),
        ("/lineage/nope/impact", 404, "lineage_node.unknown"),
        ("/activity/0", 404, "event.unknown"),
        ("/activity/99999999999999999999", 404, "event.unknown"),
        ("/history/nope", 404, "resource.unknown"),
        ("/problems/nope", 404, "resource.unknown"),
        ("/nothing/here", 404, "request.route_unknown"),
    ],
)
def test_unknown_references_are_not_found(lived: Life, path: str, status: int, code: str):
    refused(lived.client.get(API + path), status, code)


def test_a_method_that_an_address_lacks_is_named(lived: Life):
    answer = lived.client.delete(f"{API}/instances")
    refused(answer, 405, "request.method_unknown")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ({"metric.rank_ic": "0.02"}, "filter.malformed"),
        ({"metric.rank_ic": "gt:NaN"}, "filter.malformed"),
        ({"sort": "colour"}, "filter.malformed"),
    ],
    ids=str,
)
def test_malformed_filters_of_runs_are_refused(lived: Life, filters: dict[str, str], code: str):
    refused(lived.client.get(f"{API}/runs", params=filters), 400, code)


TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
ROWS = "entity,date,knowledge_date,close\n"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (b"", "dataset.content_malformed"),
        ("entity,date,close\nA,2024-03-12,1\n", "dataset.column_missing"),
        (
            ROWS.replace("close", "close,volume") + "A,2024-03-12,2024-03-12T21:00:00Z,1,2\n",
            "dataset.column_unknown",
        ),
        (ROWS + "A,2024-03-12,2024-03-12T21:00:00Z,abc\n", "dataset.column_type_wrong"),
        (ROWS + "A,2024-03-12,2024-03-12T21:00:00Z,NaN\n", "dataset.value_not_finite"),
        (ROWS + "A,2024-03-12,2024-03-12T21:00:00,1\n", "pit.naive_timestamp"),
        (ROWS + f"A,2024-03-12,{TOMORROW},1\n", "pit.knowledge_in_future"),
        (ROWS + "A,2024-03-01,2024-03-01T21:00:00Z,1\n", "pit.backdated_write"),
        (ROWS + "A,2024-03-12,2024-03-12T21:00:00Z,1\n" * 2, "dataset.row_duplicated"),
        (ROWS + ",,,\n", "dataset.key_null"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and "\n" not in value else "",
)
def test_bad_rows_are_refused_and_leave_nothing(watched: Life, rows: Any, code: str):
    answer = watched.client.post(f"{API}/datasets/us-prices/versions", content=rows, headers=CSV)
    problem = answer.json()
    assert answer.status_code in (400, 422), problem
    assert problem["code"] == code


def test_rows_under_an_unknown_media_type_are_refused(watched: Life):
    path = f"{API}/datasets/us-prices/versions"
    answer = watched.client.post(path, content=b"x", headers={"Content-Type": "application/x-xlsx"})
    refused(answer, 415, "dataset.media_type_unsupported")
    answer = watched.client.post(
        path, content=b"not parquet", headers={"Content-Type": "application/vnd.apache.parquet"}
    )
    refused(answer, 422, "dataset.content_malformed")


def test_rows_for_an_unknown_dataset_leave_nothing(watched: Life):
    answer = watched.client.post(f"{API}/datasets/nope/versions", content=ROWS, headers=CSV)
    refused(answer, 404, "dataset.unknown")


def zipped(**files: str) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "definition.package_malformed"),
        (b"not a zip", 422, "definition.package_malformed"),
        (zipped(**{"../evil.py": "x", "definition.toml": ""}), 422, "definition.package_malformed"),
        (zipped(**{"/etc/passwd": "x"}), 422, "definition.package_malformed"),
        (zipped(readme="x"), 422, "definition.manifest_malformed"),
        (package(version="2.0.0", without="monitoring/"), 422, "definition.component_missing"),
        (package(version="2.0.0", without="docs/"), 422, "definition.component_missing"),
        (package(version="two"), 422, "definition.version_malformed"),
        (package(version="2.0.0", extra="\n[colours]\nred = 1\n"), 422, "definition.manifest_malformed"),
        (package(extra="\n# other bytes under a version that passed\n"), 409, "definition.version_exists"),
    ],
    ids=range(10),
)
def test_bad_packages_are_refused_and_leave_nothing(watched: Life, content: bytes, status: int, code: str):
    refused(watched.client.post(f"{API}/definitions", content=content, headers=ZIP), status, code)


def test_a_package_under_another_media_type_is_refused(watched: Life):
    answer = watched.client.post(
        f"{API}/definitions", content=package(), headers={"Content-Type": "application/x-tar"}
    )
    refused(answer, 415, "request.media_type_unsupported")


def test_internal_and_worker_commands_are_refused_from_outside(watched: Life):
    for kind in ("record_evaluation", "start_run", "complete_run", "skip_slot"):
        message = {"command_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "type": kind, "data": {}}
        refused(watched.client.post(f"{API}/commands", json=message), 403, "command.not_from_outside")
    message = {"command_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "type": "make_coffee", "data": {}}
    refused(watched.client.post(f"{API}/commands", json=message), 400, "command.unknown")
    message = {
        "command_id": "5",
        "type": "create_dataset",
        "data": {"name": "aa", "declaration": {"columns": [{"name": "c", "type": "bool"}]}},
    }
    refused(watched.client.post(f"{API}/commands", json=message), 400, "command.malformed")


def test_unknown_references_in_commands_are_named(watched: Life):
    body = {"name": "new", "definition": "nope@1.0.0", "training_datasets": [{"dataset": "us-prices"}]}
    refused(watched.client.post(f"{API}/instances", json=body), 404, "definition.unknown")
    body |= {
        "definition": "toy-signal@1.0.0",
        "training_datasets": [{"dataset": "nope", "role": "us-prices"}],
    }
    refused(watched.client.post(f"{API}/instances", json=body), 404, "dataset.unknown")
    refused(
        watched.client.post(f"{API}/instances/nope/runs", json={"kind": "training"}), 404, "instance.unknown"
    )
    body = {"kind": "inference"}
    refused(
        watched.client.post(f"{API}/instances/spx-alpha/runs", json=body), 409, "instance.no_active_version"
    )
    body = {"kind": "training", "as_of": "2999-01-01T00:00:00Z"}
    refused(watched.client.post(f"{API}/instances/spx-alpha/runs", json=body), 400, "as_of.in_future")
    body = {"kind": "training", "as_of": "2024-03-08T21:00:00"}
    refused(watched.client.post(f"{API}/instances/spx-alpha/runs", json=body), 400, "command.malformed")
    body = {"kind": "training", "params": {"depth": "deep"}}
    answer = watched.client.post(f"{API}/instances/spx-alpha/runs", json=body)
    refused(answer, 422, "instance.hyper_parameters_invalid")


def test_columns_of_a_new_dataset_are_checked(watched: Life):
    columns = [{"name": "date", "type": "float64"}]
    body = {"name": "new", "declaration": declaration(columns)}
    refused(watched.client.post(f"{API}/datasets", json=body), 422, "dataset.declaration_invalid")
    body = {"name": "new", "declaration": declaration([{"name": "x", "type": "bool"}], calendar="MARS")}
    refused(watched.client.post(f"{API}/datasets", json=body), 422, "dataset.declaration_invalid")
