"""Definitions: packages of model code, their evaluation and their life."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request, Response

from application.ports import Outcome
from application.queries import DefinitionFilter
from application.views import DefinitionView, Page
from domain.ml_module_def.commands import (
    DeprecateDefinition,
    EvaluateDefinition,
    PublishDefinition,
    SubmitDefinition,
)
from domain.ml_module_def.errors import DefinitionUnknown
from domain.shared.references import DefinitionRef
from infrastructure.http.bodies import JsonBody, UploadedFile, decoded, made, media_type
from infrastructure.http.errors import RequestMediaTypeUnsupported
from infrastructure.http.reading import Part, PlainRead, Read, found
from infrastructure.http.results import DefinitionWritten, Written
from infrastructure.http.schemas import answers, binary_body, body, files
from infrastructure.http.writing import Write

router = APIRouter(prefix="/definitions", tags=["definitions"])

ZIP = "application/zip"
Wait = Annotated[float, Query(ge=0, le=300, description="Seconds to wait for the verdict.")]


async def zip_only(request: Request) -> None:
    """Raises RequestMediaTypeUnsupported."""
    if media_type(request) not in (ZIP, "application/octet-stream", "application/x-zip-compressed"):
        raise RequestMediaTypeUnsupported(f"the body is {media_type(request)!r}, not {ZIP}")


@router.post(
    "",
    dependencies=[Depends(zip_only)],
    openapi_extra=binary_body(ZIP),
    **answers(DefinitionWritten, 202, 200, 201, refusals=[409, 413, 415, 422]),
)
async def submit_definition(
    request: Request, package: UploadedFile, write: Write, wait: Wait = 0
) -> Response:
    """Hand in a package (a zip). Its evaluation follows by itself; `wait` for the verdict."""

    def submit() -> Outcome:
        with request.app.state.intake.tentative(package, keep=True) as sha256:
            return write.send(made(SubmitDefinition, package_sha256=sha256))

    outcome = await to_thread.run_sync(submit)
    return await _with_verdict(request, write, outcome, wait)


@router.post(
    "/{name}/{version}/evaluate",
    openapi_extra=body(EvaluateDefinition, "name", "version", required=False),
    **answers(DefinitionWritten, 202, 200, 201, refusals=[404, 409, 412, 415, 422]),
)
async def evaluate_definition(
    request: Request, name: str, version: str, content: JsonBody, write: Write, wait: Wait = 0
) -> Response:
    """Have a failed version evaluated again, with the same bytes."""
    command, reason = decoded(content, EvaluateDefinition, name=name, version=version)
    target = f"ml_module_def:{name}@{version}"
    outcome = await to_thread.run_sync(lambda: write.send(command, reason, target=target))
    return await _with_verdict(request, write, outcome, wait)


async def _with_verdict(request: Request, write: Write, outcome: Outcome, wait_s: float) -> Response:
    """202 while the evaluation goes on, 201 once the verdict is there."""
    service = request.app.state.service
    ref = DefinitionRef.parse(outcome.refs[0].partition(":")[2]) if outcome.refs else None

    def verdict() -> DefinitionView | None:
        if ref is None:
            return None
        view = service.queries.definition(write.identity.tenant, ref.name, ref.version)
        return view if view is not None and view.evaluation is not None else None

    view = await request.app.state.feed.settled(verdict, wait_s) if wait_s else None
    location = f"/api/v1/definitions/{ref.name}/{ref.version}" if ref else None
    status = 202 if view is None else 201
    return write.answer(outcome, status=status, location=location, of=DefinitionWritten, definition=view)


@router.get("", **answers(Page[DefinitionView]))
def list_definitions(
    read: Read,
    part: Part,
    name: str | None = None,
    state: str | None = None,
    category: str | None = None,
) -> Response:
    """Definition versions by name, then in the order they were submitted."""
    filters = DefinitionFilter(name=name, state=state, category=category)
    return read.page(read.queries.definitions(read.tenant, filters, part, read.moment()))


@router.get("/{name}", **answers(Page[DefinitionView], refusals=[404]))
def list_definition_versions(name: str, read: Read, part: Part) -> Response:
    """All versions of one definition."""
    page = read.queries.definitions(read.tenant, DefinitionFilter(name=name), part, read.moment())
    return read.page(found(page if page.items else None, DefinitionUnknown, f"definition {name}"))


@router.get("/{name}/{version}", **answers(DefinitionView, refusals=[404]))
def show_definition(name: str, version: str, read: Read) -> Response:
    """One definition version with its evaluation report."""
    view = read.queries.definition(read.tenant, name, version, read.moment())
    return read.item(view, DefinitionUnknown, f"definition {name}@{version}")


@router.get("/{name}/{version}/source", **files(ZIP, refusals=[404]))
def show_source(name: str, version: str, read: PlainRead) -> Response:
    """The package as it was submitted (a zip), its hash checked."""
    view = found(
        read.queries.definition(read.tenant, name, version, read.moment()),
        DefinitionUnknown,
        f"definition {name}@{version}",
    )
    sha256 = view.manifest.package_sha256
    headers = {
        "Content-Disposition": f'attachment; filename="{view.name}-{view.version}.zip"',
        "X-Content-SHA256": sha256,
    }
    return Response(read.service.artifacts.get(sha256), 200, headers, ZIP)


@router.post(
    "/{name}/{version}/publish",
    openapi_extra=body(PublishDefinition, "name", "version", required=False),
    **answers(Written, refusals=[404, 409, 412, 415, 422]),
)
def publish_definition(name: str, version: str, content: JsonBody, write: Write) -> Response:
    """Share a version that passed its evaluation."""
    command, reason = decoded(content, PublishDefinition, name=name, version=version)
    outcome = write.send(command, reason, target=f"ml_module_def:{name}@{version}")
    return write.answer(outcome, location=f"/api/v1/definitions/{name}/{version}")


@router.post(
    "/{name}/{version}/deprecate",
    openapi_extra=body(DeprecateDefinition, "name", "version"),
    **answers(Written, refusals=[404, 409, 412, 415, 422]),
)
def deprecate_definition(name: str, version: str, content: JsonBody, write: Write) -> Response:
    """Stop new use of a version; needs a reason."""
    command, reason = decoded(content, DeprecateDefinition, name=name, version=version)
    outcome = write.send(command, reason, target=f"ml_module_def:{name}@{version}")
    return write.answer(outcome, location=f"/api/v1/definitions/{name}/{version}")
