"""Plain pages: what this is, and the API's reference, without scripts and without a request elsewhere."""

import base64
import hashlib
from html import escape
from typing import Any

from fastapi import Response

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "pre,code{font:14px/1.45 ui-monospace,monospace;background:#f4f4f5}pre{padding:.8rem;overflow-x:auto}"
    "dt{margin-top:.8rem}h2{margin-top:2rem}a{color:#0b57a4}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_HOME = """<h1>OptAIC MLOps</h1>
<p>Model operations as an event log: every action on a definition, instance, run, model version or dataset
is an immutable event, so each question can be asked as of any moment of the past.</p>
<pre>curl '{base}/api/v1/instances/spx-alpha/production?as_of=2026-03-14T17:00:00Z'   # which model, who, why
curl '{base}/api/v1/lineage/model_version:spx-alpha@1?direction=up'              # from which data
curl '{base}/api/v1/activity?limit=20'                                           # what happened last</pre>
<p><a href="/api/docs">The API</a> · <a href="/api/v1/openapi.json">OpenAPI document</a> ·
<a href="/api/v1/activity">activity</a> · <a href="/api/v1/system/projections">projections</a> ·
<a href="/api/v1/ready">readiness</a> · <a href="/metrics">metrics</a></p>"""


def home(base: str) -> Response:
    """What this is, links, three curl lines."""
    return _page("OptAIC MLOps", _HOME.format(base=escape(base)))


def reference(document: dict[str, Any]) -> Response:
    """Each route with its parameters, as the OpenAPI document has them."""
    parts = [
        f"<h1>{escape(document['info']['title'])} API</h1>",
        f"<p>{escape(document['info']['description'])}</p>",
    ]
    parts.append('<p>The whole of it, with all schemas: <a href="/api/v1/openapi.json">OpenAPI 3.1</a>.</p>')
    for path, operations in document["paths"].items():
        parts.extend(_operation(path, method, operation) for method, operation in operations.items())
    return _page("OptAIC MLOps API", "\n".join(parts))


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = "".join(_parameter(one) for one in operation.get("parameters", ()))
    bodies = operation.get("requestBody", {}).get("content", {})
    body = f"<p>Body: {escape(', '.join(bodies))}</p>" if bodies else ""
    statuses = ", ".join(status for status in operation["responses"])
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(operation.get('description', ''))}</p>"
        f"{body}<p>Answers: {escape(statuses)}</p>" + (f"<dl>{parameters}</dl>" if parameters else "")
    )


def _parameter(one: dict[str, Any]) -> str:
    needed = ", required" if one.get("required") else ""
    text = one.get("description") or one["schema"].get("description", "")
    return f"<dt><code>{escape(one['name'])}</code> ({one['in']}{needed})</dt><dd>{escape(text)}</dd>"


def _page(title: str, content: str) -> Response:
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<main>{content}</main></html>"
    )
    headers = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "DENY"}
    return Response(html, 200, headers, "text/html; charset=utf-8")
