"""Who may what: the role that each route needs. A route that is not here is closed to everybody."""

from collections.abc import Iterable
from typing import Literal

from starlette.routing import BaseRoute, Match, Mount, WebSocketRoute
from starlette.types import Scope

from domain.access.roles import Role
from domain.shared.command import Command

Need = Role | Literal["public"]
"""What a route asks of its caller; `public`: nothing, so it shows nothing of any tenant."""

API = "/api/v1"
PUBLIC = (f"GET {API}/health", f"GET {API}/ready")
READER = (
    "GET /",
    "GET /api/docs",
    *(f"GET {API}/{path}" for path in ("openapi.json", "version", "search", "problems/{code}")),
    *(f"GET {API}/system/{path}" for path in ("projections",)),
    *(f"GET {API}/definitions{path}" for path in ("", "/{name}", "/{name}/{version}")),
    f"GET {API}/definitions/{{name}}/{{version}}/source",
    *(f"GET {API}/instances{path}" for path in ("", "/{name}")),
    *(f"GET {API}/instances/{{name}}/{path}" for path in ("production", "schedules", "versions")),
    *(f"GET {API}/runs{path}" for path in ("", "/compare", "/{run_id}")),
    *(f"GET {API}/runs/{{run_id}}/{path}" for path in ("report", "metrics", "progress", "logs")),
    *(f"GET {API}/runs/{{run_id}}/reports/{what}" for what in ("measured", "evidently")),
    f"GET {API}/runs/{{run_id}}/reproductions",
    f"GET {API}/workflows/{{correlation_id}}",
    *(f"GET {API}/versions{path}" for path in ("", "/{ref}", "/{ref}/passport", "/{ref}/artifact")),
    *(f"GET {API}/datasets{path}" for path in ("", "/{name}", "/{name}/rows", "/{name}/versions")),
    f"GET {API}/datasets/{{name}}/versions/{{number}}",
    *(f"GET {API}/lineage/{path}" for path in ("{node}", "{of}/impact")),
    *(f"GET {API}/activity{path}" for path in ("", "/stream", "/{position}")),
    f"GET {API}/history/{{ref}}",
)
WRITER = (
    f"POST {API}/definitions",
    *(f"POST {API}/definitions/{{name}}/{{version}}/{verb}" for verb in ("evaluate", "publish", "deprecate")),
    f"POST {API}/instances",
    f"PATCH {API}/instances/{{name}}",
    *(f"POST {API}/instances/{{name}}/{verb}" for verb in ("archive", "runs", "backfill", "rollback")),
    *(f"POST {API}/runs/{{run_id}}/{verb}" for verb in ("cancel", "start", "progress", "metrics")),
    *(f"POST {API}/runs/{{run_id}}/{verb}" for verb in ("complete", "fail", "retry", "reproduce")),
    f"PATCH {API}/versions/{{ref}}",
    *(f"POST {API}/versions/{{ref}}/{verb}" for verb in ("stage", "promote", "rollback", "archive")),
    f"POST {API}/datasets",
    f"POST {API}/datasets/{{name}}/versions",
    f"POST {API}/commands",
    f"POST {API}/blobs",
)
OPERATOR = (
    "GET /metrics",
    f"GET {API}/metrics",
    f"POST {API}/system/rebuild",
    f"POST {API}/system/verify",
    f"POST {API}/datasets/{{name}}/versions/{{number}}/purge",
    f"GET {API}/access/keys",
    f"POST {API}/access/keys",
    f"POST {API}/access/keys/{{key_id}}/revoke",
)
ROUTE_NEEDS: dict[str, Need] = {
    **dict.fromkeys(PUBLIC, "public"),
    **dict.fromkeys(READER, "reader"),
    **dict.fromkeys(WRITER, "writer"),
    **dict.fromkeys(OPERATOR, "operator"),
}
"""Method and template of a route → what it needs."""

OPERATOR_COMMANDS = ("purge_version_artifact", "purge_dataset_version")
"""Commands that delete for good: `POST /commands` needs an operator for them, and a writer for the others."""


def operation_of(scope: Scope, routes: Iterable[BaseRoute]) -> str | None:
    """Method and template of the route that this request will reach; None if it reaches none (404, 405).

    The router's own matching, in the router's own order: what is judged here is what runs.
    """
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            return operation_name(route, scope.get("method", ""))
    return None


def operation_name(route: BaseRoute, method: str) -> str:
    """`GET /api/v1/runs/{run_id}`; a mount and a socket say so in the place of the method."""
    path = getattr(route, "path_format", getattr(route, "path", ""))
    if isinstance(route, Mount):
        return f"MOUNT {path}"
    return f"WEBSOCKET {path}" if isinstance(route, WebSocketRoute) else f"{method} {path}"


def needed_for(command: type[Command]) -> Role:
    """The role that sending a command in an envelope needs."""
    return "operator" if command.TYPE in OPERATOR_COMMANDS else "writer"
