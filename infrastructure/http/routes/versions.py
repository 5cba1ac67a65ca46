"""Model versions: stages, passport, artifact."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from application.ports import Outcome
from application.queries import VersionFilter
from application.views import (
    DefinitionView,
    GateReportView,
    LineageView,
    Page,
    ProductionView,
    RunView,
    VersionView,
)
from domain.model_instance.errors import InstanceUnknown
from domain.model_version import decider
from domain.model_version.commands import (
    AnnotateVersion,
    ArchiveVersion,
    PromoteVersion,
    RollbackVersion,
    StageVersion,
)
from domain.model_version.errors import VersionUnknown
from domain.shared.references import NodeRef, VersionRef
from infrastructure.http.bodies import JsonBody, decoded
from infrastructure.http.gate_reports import report_of
from infrastructure.http.reading import Part, PlainRead, Read, Reader, found
from infrastructure.http.results import GateWritten, Written
from infrastructure.http.schemas import answers, body, files
from infrastructure.http.writing import Write, Writer

router = APIRouter(tags=["versions"])

DryRun = Annotated[bool, Query(description="The gate's report; nothing is written.")]
_MOVE_REFUSALS = (404, 409, 410, 412, 415, 422)


class Passport(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a model version at one moment, in one document."""

    version: VersionView
    definition: DefinitionView | None
    training_run: RunView | None
    gate_reports: tuple[GateReportView, ...]
    production: tuple[ProductionView, ...]
    """Its own times in production."""
    lineage: LineageView | None
    """Where it came from."""


@router.get("/instances/{name}/versions", **answers(Page[VersionView], refusals=[404]))
def list_versions(name: str, read: Read, part: Part, stage: str | None = None) -> Response:
    """Versions of an instance, newest number first."""
    at = read.moment()
    found(read.queries.instance(read.tenant, name, at), InstanceUnknown, f"instance {name}")
    return read.page(read.queries.versions(read.tenant, VersionFilter(instance=name, stage=stage), part, at))


@router.get("/versions", **answers(Page[VersionView]))
def list_all_versions(
    read: Read, part: Part, instance: str | None = None, stage: str | None = None
) -> Response:
    """Model versions by instance, newest number first."""
    filters = VersionFilter(instance=instance, stage=stage)
    return read.page(read.queries.versions(read.tenant, filters, part, read.moment()))


@router.get("/versions/{ref}", **answers(VersionView, refusals=[404]))
def show_version(ref: str, read: Read) -> Response:
    """One model version (`spx-alpha@3`)."""
    return read.show(_version(read, VersionRef.parse(ref)))


@router.get("/versions/{ref}/passport", **answers(Passport, refusals=[404]))
def show_passport(ref: str, read: Read) -> Response:
    """All that is known of a version: definition, training, data, gates, times in production, lineage."""
    version = _version(read, VersionRef.parse(ref))
    at, ask, tenant = read.moment(), read.queries, read.tenant
    node = NodeRef("model_version", ref)
    passport = Passport(
        version=version,
        definition=ask.definition(tenant, version.definition.name, version.definition.version, at),
        training_run=ask.run(tenant, version.run_id, at),
        gate_reports=ask.gate_reports(tenant, str(node), at),
        production=tuple(
            one for one in ask.production_history(tenant, version.instance, at) if one.ref == ref
        ),
        lineage=ask.lineage(tenant, node, "up", None, at),
    )
    return read.show(passport)


@router.get("/versions/{ref}/artifact", **files("application/octet-stream", refusals=[404, 409, 410]))
def show_artifact(ref: str, read: PlainRead) -> Response:
    """The model file; its hash was checked."""
    version = _version(read, VersionRef.parse(ref))
    path = read.service.artifacts.checked_path(version.artifact_sha256)
    headers = {"X-Content-SHA256": version.artifact_sha256, "X-Artifact-Format": version.artifact_format}
    return FileResponse(path, 200, headers, "application/octet-stream", filename=f"{ref}.bin")


@router.post(
    "/versions/{ref}/stage",
    openapi_extra=body(StageVersion, "instance", "number"),
    **answers(GateWritten, refusals=_MOVE_REFUSALS),
)
def stage_version(ref: str, content: JsonBody, write: Write) -> Response:
    """none → staging, if the gate passes; needs a reason."""
    version = VersionRef.parse(ref)
    command, reason = decoded(content, StageVersion, instance=version.name, number=version.number)
    outcome = write.send(command, reason, target=f"model_version:{ref}")
    return _moved(write, outcome, version)


@router.post(
    "/versions/{ref}/promote",
    openapi_extra=body(PromoteVersion, "instance", "number"),
    **answers(GateWritten, refusals=_MOVE_REFUSALS),
)
def promote_version(ref: str, content: JsonBody, write: Write, dry_run: DryRun = False) -> Response:
    """staging → production, if the gate passes; the former production version is archived. Needs a reason."""
    version = VersionRef.parse(ref)
    command, reason = decoded(content, PromoteVersion, instance=version.name, number=version.number)
    outcome = write.send(command, reason, target=f"model_version:{ref}", dry_run=dry_run)
    return _moved(write, outcome, version, dry_run=dry_run)


@router.post(
    "/versions/{ref}/rollback",
    openapi_extra=body(RollbackVersion, "instance", "number"),
    **answers(GateWritten, refusals=_MOVE_REFUSALS),
)
def rollback_to_version(ref: str, content: JsonBody, write: Write) -> Response:
    """archived → production: this version comes back. Needs a reason."""
    version = VersionRef.parse(ref)
    command, reason = decoded(content, RollbackVersion, instance=version.name, number=version.number)
    outcome = write.send(command, reason, target=f"model_version:{ref}")
    return _moved(write, outcome, version)


@router.post(
    "/instances/{name}/rollback",
    openapi_extra=body(RollbackVersion, "instance", name="RollbackInstanceBody"),
    **answers(Written, refusals=_MOVE_REFUSALS),
)
def rollback_instance(name: str, content: JsonBody, write: Write) -> Response:
    """The former production version comes back, or the one that `number` names. Needs a reason."""
    command, reason = decoded(content, RollbackVersion, instance=name)
    outcome = write.send(command, reason, target=f"model_instance:{name}")
    return write.answer(outcome, location=f"/api/v1/instances/{name}/production")


@router.post(
    "/versions/{ref}/archive",
    openapi_extra=body(ArchiveVersion, "instance", "number"),
    **answers(GateWritten, refusals=_MOVE_REFUSALS),
)
def archive_version(ref: str, content: JsonBody, write: Write) -> Response:
    """Any stage → archived; on the production version this retires it. Needs a reason."""
    version = VersionRef.parse(ref)
    command, reason = decoded(content, ArchiveVersion, instance=version.name, number=version.number)
    outcome = write.send(command, reason, target=f"model_version:{ref}")
    return _moved(write, outcome, version)


@router.patch(
    "/versions/{ref}",
    openapi_extra=body(AnnotateVersion, "instance", "number"),
    **answers(Written, refusals=[404, 412, 415, 422]),
)
def annotate_version(ref: str, content: JsonBody, write: Write) -> Response:
    """Change description or tags; fields that are left out stay."""
    version = VersionRef.parse(ref)
    command, reason = decoded(content, AnnotateVersion, instance=version.name, number=version.number)
    outcome = write.send(command, reason, target=f"model_version:{ref}")
    return write.answer(outcome, location=f"/api/v1/versions/{ref}")


def _version(read: Reader, ref: VersionRef) -> VersionView:
    view = read.queries.version(read.tenant, ref.name, ref.number, read.moment())
    return found(view, VersionUnknown, f"model version {ref}")


def _moved(write: Writer, outcome: Outcome, version: VersionRef, *, dry_run: bool = False) -> Response:
    stream = decider.stream(version.name, version.number)
    report = (
        outcome.facts.get("report")
        if dry_run
        else report_of(write.service, write.identity.tenant, write.command_id, stream)
    )
    location = f"/api/v1/versions/{version}"
    return write.answer(outcome, location=location, of=GateWritten, dry_run=dry_run, report=report)
