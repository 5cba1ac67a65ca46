"""G15: every answer's form is said; an object without properties would promise nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8"))
ANSWERS = [
    (f"{method} {path} {status}", content["schema"])
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    for status, answer in operation["responses"].items()
    for media, content in answer.get("content", {}).items()
    if status.startswith("2") and media == "application/json"
]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def objects_of(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that an answer may be, or be a list of."""
    schema = resolved(schema)
    if "items" in schema:
        yield from objects_of(schema["items"])
    for part in schema.get("anyOf", []):
        yield from objects_of(part)
    if "items" not in schema and "anyOf" not in schema:
        yield schema


@pytest.mark.parametrize(("name", "schema"), ANSWERS, ids=[name for name, _ in ANSWERS])
def test_an_answer_has_properties(name, schema):
    assert all(each.get("properties") for each in objects_of(schema)), f"{name} promises nothing"


def test_every_operation_documents_a_success():
    silent = [
        f"{method} {path}"
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        if not any(status.startswith("2") for status in operation["responses"])
    ]
    assert silent == []
