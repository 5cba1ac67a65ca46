"""msgspec types in the OpenAPI document: bodies and answers are described by the types that make them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import Response

from infrastructure.http.problems import MEDIA_TYPE, Problem

_REF = "#/components/schemas/{name}"
_JSON = "application/json"

_described: dict[str, Any] = {}
"""Types that routes named, by the marker that stands for them until the document is made."""
_requests: dict[str, tuple[type[msgspec.Struct], tuple[str, ...]]] = {}
"""Request bodies made of a command without the fields that the path gives: name → (command, fields)."""

REASON_SCHEMA = {
    "anyOf": [{"type": "string", "maxLength": 2000}, {"type": "null"}],
    "default": None,
    "description": "Why: kept with the event.",
}


def body(
    of: type[msgspec.Struct], *from_path: str, required: bool = True, name: str | None = None
) -> dict[str, Any]:
    """`openapi_extra` of a route whose JSON body is a command without the fields that the path gives."""
    name = name or f"{of.__name__}Body"
    _requests[name] = (of, from_path)
    return {"requestBody": {"required": required, "content": {_JSON: {"schema": _ref(name)}}}}


def exact_body(of: type[msgspec.Struct]) -> dict[str, Any]:
    """`openapi_extra` of a route whose JSON body is exactly this type."""
    return {"requestBody": {"required": True, "content": {_JSON: {"schema": _marker(of)}}}}


def binary_body(*media_types: str) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a file."""
    schema = {"type": "string", "format": "binary"}
    content = {media_type: {"schema": schema} for media_type in media_types}
    return {"requestBody": {"required": True, "content": content}}


def answers(
    view: Any, status: int = 200, *more: int, refusals: Sequence[int] = (), also: Sequence[str] = ()
) -> dict[str, Any]:
    """Arguments of a route decorator: the view in its answers, under `status` and `more`.

    `refusals`: statuses that this route may refuse with, beside 400, 401, 403 and 503 of every route.
    `also`: other media types that `Accept` may ask for.
    """
    content = {_JSON: {"schema": _marker(view)}, **{kind: _binary() for kind in also}}
    responses: dict[int | str, dict[str, Any]] = {
        code: {"description": _DESCRIPTIONS[code], "content": content} for code in (status, *more)
    }
    for code in sorted({400, 401, 403, 503, *refusals}):
        responses[code] = {
            "description": _DESCRIPTIONS[code],
            "content": {MEDIA_TYPE: {"schema": _marker(Problem)}},
        }
    responses["4XX"] = {"description": "refused", "content": {MEDIA_TYPE: {"schema": _marker(Problem)}}}
    return {"status_code": status, "responses": responses, "response_class": Response}


def files(*media_types: str, refusals: Sequence[int] = ()) -> dict[str, Any]:
    """Arguments of the decorator of a route that answers with bytes or text."""
    given = answers(Problem, refusals=refusals)
    given["responses"][200]["content"] = {kind: _binary() for kind in media_types}
    return given


def resolve(document: dict[str, Any]) -> dict[str, Any]:
    """Put the schemas of all types that the document names into its components."""
    types = tuple(_described.values())
    commands = tuple(command for command, _ in _requests.values())
    references, components = msgspec.json.schema_components((*types, *commands), ref_template=_REF)
    names = {
        _ref(marker)["$ref"]: reference
        for marker, reference in zip(_described, references[: len(types)], strict=True)
    }
    for (name, (_, from_path)), reference in zip(_requests.items(), references[len(types) :], strict=True):
        whole = components[reference["$ref"].rsplit("/", 1)[1]]
        components[name] = {**_without(whole, from_path), "title": name}
    for command in commands:
        components.pop(command.__name__, None)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components)
    return _replaced(document, names)


def _without(schema: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    properties = {name: part for name, part in schema["properties"].items() if name not in fields}
    required = [name for name in schema.get("required", ()) if name not in fields]
    return {**schema, "properties": {**properties, "reason": REASON_SCHEMA}, "required": required}


def _replaced(part: Any, names: dict[str, Any]) -> Any:
    if isinstance(part, dict):
        if part.get("$ref") in names:
            return names[part["$ref"]]
        return {key: _replaced(value, names) for key, value in part.items()}
    if isinstance(part, list):
        return [_replaced(value, names) for value in part]
    return part


def _marker(of: Any) -> dict[str, str]:
    name = f"msgspec {of}"
    _described[name] = of
    return _ref(name)


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}


def _binary() -> dict[str, Any]:
    return {"schema": {"type": "string", "format": "binary"}}


_DESCRIPTIONS = {
    200: "done, or nothing new",
    201: "created",
    202: "accepted; the work goes on",
    400: "malformed",
    401: "no API key that holds, where the service asks for one",
    403: "not allowed",
    404: "unknown, or another tenant's",
    406: "no media type that Accept names is offered",
    409: "refused by the present state, or the key was used with another body",
    410: "purged",
    412: "If-Match names a version that is no longer current",
    413: "too large",
    415: "unsupported media type",
    422: "invalid content, or refused by a gate (with its report)",
    503: "busy, or a view is behind (Retry-After)",
}
