"""The app factory: routes, error mapping, the guard in front, and what routes share."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response

from infrastructure.access.denials import Denials
from infrastructure.access.directory import AccessDirectory
from infrastructure.bootstrap import Service
from infrastructure.http import pages, problems
from infrastructure.http.entrance import Entrance, OwnMachine, WithKeys
from infrastructure.http.feed import Feed
from infrastructure.http.guard import Guard
from infrastructure.http.intake import Intake
from infrastructure.http.openapi import PREFIX, add_routes, document, operation_id
from infrastructure.http.parameters import known_parameters_only
from infrastructure.http.reading import PlainRead, json_response
from infrastructure.http.routes.system import METRICS, metrics_text
from infrastructure.http.run_tokens import RunTokens
from infrastructure.observability.http import ObservedHttp
from infrastructure.settings import Settings, refuse_open_host


def create_app(
    service: Service,
    settings: Settings,
    *,
    fingerprint: str = "",
    access: AccessDirectory | None = None,
    run_token_key: bytes | None = None,
) -> FastAPI:
    """The HTTP way into a service. `fingerprint` tells this service from others (see `/health`).

    `access`: the keys that let people in; None: the embedded service, for its own machine only.
    `run_token_key`: the secret that all processes of a service share; None: the data folder's own.
    Who ends the app's lifespan ends what the app started; the service stays open.
    Raises SettingHostNotLoopback if others could reach it and no keys are asked for.
    """
    if access is None:
        refuse_open_host(settings.host)
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        generate_unique_id_function=operation_id,
    )
    app.state.service = service
    app.state.settings = settings
    app.state.fingerprint = fingerprint
    app.state.uploads = _uploads(settings.data)
    app.state.intake = Intake(service.artifacts)
    app.state.feed = Feed(service.log, service.queries, settings.wait_s_max)
    app.state.run_tokens = RunTokens(run_token_key) if run_token_key else RunTokens.of_folder(settings.data)
    app.state.progress = service.progress
    add_routes(app, (known_parameters_only,))
    _add_pages(app)
    problems.install(app)
    app.state.entrance = _entrance(app, service, settings, access)
    app.add_middleware(Guard, entrance=app.state.entrance)
    app.add_middleware(ObservedHttp)  # the outermost: what the guard refuses is counted, too
    return app


def _entrance(app: FastAPI, service: Service, settings: Settings, access: AccessDirectory | None) -> Entrance:
    if access is None:
        return OwnMachine(settings)
    return WithKeys(access, Denials(service.bus), app.router.routes)


def close_app(app: FastAPI) -> None:
    """End streams and waits."""
    app.state.feed.close()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    close_app(app)


def _add_pages(app: FastAPI) -> None:
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(document(app))
        return made

    app.openapi = openapi

    @app.get("/", include_in_schema=False)
    async def show_home(request: Request) -> Response:
        return pages.home(str(request.base_url).rstrip("/"))

    @app.get("/api/docs", include_in_schema=False)
    async def show_reference() -> Response:
        return pages.reference(openapi())

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    async def show_openapi() -> Response:
        return json_response(openapi())

    @app.get("/metrics", include_in_schema=False)
    def show_metrics(read: PlainRead) -> Response:
        return Response(metrics_text(read), media_type=METRICS)


def _uploads(data: Path) -> Path:
    """An empty place for bodies in flight; what a killed service left there goes."""
    folder = data / "uploads"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return folder
