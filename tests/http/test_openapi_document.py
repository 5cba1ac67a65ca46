"""The OpenAPI document is the committed one, describes everything, and every route is short."""

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from infrastructure.http.routes import ROUTERS
from tests.http.life import API, Life

ROOT = Path(__file__).resolve().parents[2]
ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


@pytest.fixture(scope="module")
def document(lived: Life) -> dict[str, Any]:
    return lived.client.get(f"{API}/openapi.json").json()


def test_the_committed_document_is_the_present_one(document: dict[str, Any]):
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    assert committed == document, "run `python -m infrastructure.http.openapi` and commit docs/openapi.json"


def test_it_is_openapi_31_with_one_name_an_operation(document: dict[str, Any]):
    assert document["openapi"] == "3.1.0"
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names) == len(ROUTES)


def test_no_json_answer_is_without_properties(document: dict[str, Any]):
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                for kind, content in answer["content"].items():
                    if kind.endswith("json") and "$ref" in content["schema"]:
                        name = content["schema"]["$ref"].rsplit("/", 1)[1]
                        assert schemas[name]["properties"], (path, method, status)
                    elif kind == "application/json":
                        pytest.fail(f"{method} {path} {status} has no schema of its own")


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]):
    text = json.dumps(document)
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])


def test_every_operation_says_what_it_does(document: dict[str, Any]):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), (method, path)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_route_is_at_most_15_lines(route: APIRoute):
    source = inspect.cleandoc(inspect.getsource(route.endpoint))
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    first = function.body[1] if ast.get_docstring(function) else function.body[0]
    assert function.end_lineno is not None
    assert function.end_lineno - first.lineno + 1 <= 15, function.name
