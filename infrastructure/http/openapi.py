"""The OpenAPI 3.1 document: FastAPI's paths, our types.

`python -m infrastructure.http.openapi` writes it to docs/openapi.json.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from infrastructure.http import schemas
from infrastructure.http.routes import ROUTERS

PREFIX = "/api/v1"
DESCRIPTION = (
    "Model operations as an event log: every answer can be asked `as_of` any moment of the log, rows of "
    "datasets as of any moment of the world. Writes take `Idempotency-Key` and `If-Match`; errors are "
    "problem+json. Every service but the embedded one asks for an API key: `Authorization: Bearer …`."
)
COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document; equal for equal code."""
    made = get_openapi(
        title="OptAIC MLOps", version="1", openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes
    )
    made.setdefault("components", {})["securitySchemes"] = {"apiKey": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"apiKey": []}, {}]
    return schemas.resolve(made)


def operation_id(route: APIRoute) -> str:
    """An operation is named after its function."""
    return route.name


def described() -> dict[str, Any]:
    """The document without a running service."""
    app = FastAPI(generate_unique_id_function=operation_id)
    add_routes(app)
    return document(app)


def add_routes(app: FastAPI, dependencies: tuple[Callable[..., Any], ...] = ()) -> None:
    """All routes of the API, under its prefix, side by side in one table.

    Routers that are included stay tables of their own, each searched twice a request: a third of its time.
    """
    app.router.routes.extend(_routes(dependencies))


@cache
def _routes(dependencies: tuple[Callable[..., Any], ...]) -> tuple[BaseRoute, ...]:
    """They know nothing of an app, and making them takes a tenth of a second: once a process."""
    made = FastAPI(openapi_url=None, generate_unique_id_function=operation_id)
    asked = [Depends(one) for one in dependencies]
    for route in (route for router in ROUTERS for route in router.routes):
        assert isinstance(route, APIRoute)
        made.add_api_route(
            PREFIX + route.path,
            route.endpoint,
            methods=sorted(route.methods or ()),
            name=route.name,
            summary=route.summary,
            description=route.description,
            response_model=route.response_model,
            response_class=route.response_class,
            response_description=route.response_description,
            status_code=route.status_code,
            responses=route.responses,
            tags=route.tags,
            dependencies=[*asked, *route.dependencies],
            include_in_schema=route.include_in_schema,
            openapi_extra=route.openapi_extra,
        )
    return tuple(made.router.routes)


if __name__ == "__main__":
    COMMITTED.write_text(json.dumps(described(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
