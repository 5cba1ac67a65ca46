"""Instances: one definition version with datasets, parameters and schedules."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from application.queries import InstanceFilter
from application.schedules.upcoming import UpcomingView, upcoming
from application.views import InstanceView, Page, ProductionView
from domain.model_instance.commands import ArchiveInstance, CreateInstance, UpdateInstance
from domain.model_instance.errors import InstanceUnknown
from infrastructure.http.bodies import JsonBody, decoded
from infrastructure.http.reading import Part, Read, found
from infrastructure.http.results import GateWritten, Written
from infrastructure.http.schemas import answers, body
from infrastructure.http.writing import Write

router = APIRouter(prefix="/instances", tags=["instances"])

DryRun = Annotated[bool, Query(description="Say what would happen (the gate's report); write nothing.")]


class ProductionHistory(msgspec.Struct, frozen=True, kw_only=True):
    """All times in production, oldest first; `current` is the one that lasts at that moment."""

    instance: str
    current: ProductionView | None
    items: tuple[ProductionView, ...]


class InstanceSchedules(msgspec.Struct, frozen=True, kw_only=True):
    """The schedules of an instance with their next slots."""

    instance: str
    items: tuple[UpcomingView, ...]


@router.post(
    "",
    openapi_extra=body(CreateInstance),
    **answers(GateWritten, 201, 200, refusals=[404, 409, 413, 415, 422]),
)
def create_instance(content: JsonBody, write: Write, dry_run: DryRun = False) -> Response:
    """Create an instance and its predictions dataset."""
    command, reason = decoded(content, CreateInstance)
    outcome = write.send(command, reason, target=f"model_instance:{command.name}", dry_run=dry_run)
    location = f"/api/v1/instances/{command.name}"
    report = outcome.facts.get("report")
    return write.answer(
        outcome, status=201, location=location, of=GateWritten, dry_run=dry_run, report=report
    )


@router.get("", **answers(Page[InstanceView]))
def list_instances(
    read: Read,
    part: Part,
    state: str | None = None,
    space: str | None = None,
    definition: str | None = None,
    owner: str | None = None,
) -> Response:
    """Instances by name. `definition` is a name or `name@1.2.0`."""
    filters = InstanceFilter(state=state, space=space, definition=definition, owner=owner)
    return read.page(read.queries.instances(read.tenant, filters, part, read.moment()))


@router.get("/{name}", **answers(InstanceView, refusals=[404]))
def show_instance(name: str, read: Read) -> Response:
    """One instance."""
    view = read.queries.instance(read.tenant, name, read.moment())
    return read.item(view, InstanceUnknown, f"instance {name}")


@router.get("/{name}/production", **answers(ProductionHistory, refusals=[404]))
def show_production(name: str, read: Read) -> Response:
    """Which version was in production, who put it there, when and why; now or `as_of` any moment."""
    at = read.moment()
    found(read.queries.instance(read.tenant, name, at), InstanceUnknown, f"instance {name}")
    return read.show(
        ProductionHistory(
            instance=name,
            current=read.queries.production_at(read.tenant, name, at),
            items=read.queries.production_history(read.tenant, name, at),
        )
    )


@router.get("/{name}/schedules", **answers(InstanceSchedules, refusals=[404]))
def show_schedules(name: str, read: Read) -> Response:
    """Its schedules as of a moment, and when each is due after now; nothing of an archived instance is."""
    view = found(read.queries.instance(read.tenant, name, read.moment()), InstanceUnknown, f"instance {name}")
    stand = () if view.archived else view.specification.schedules
    return read.show(InstanceSchedules(instance=name, items=upcoming(stand, datetime.now(UTC))))


@router.patch(
    "/{name}",
    openapi_extra=body(UpdateInstance, "name"),
    **answers(Written, refusals=[404, 409, 412, 413, 415, 422]),
)
def update_instance(name: str, content: JsonBody, write: Write) -> Response:
    """Change the configuration of later runs; fields that are left out stay."""
    command, reason = decoded(content, UpdateInstance, name=name)
    outcome = write.send(command, reason, target=f"model_instance:{name}")
    return write.answer(outcome, location=f"/api/v1/instances/{name}")


@router.post(
    "/{name}/archive",
    openapi_extra=body(ArchiveInstance, "name"),
    **answers(Written, refusals=[404, 409, 412, 415, 422]),
)
def archive_instance(name: str, content: JsonBody, write: Write) -> Response:
    """Close an instance for good; needs a reason."""
    command, reason = decoded(content, ArchiveInstance, name=name)
    outcome = write.send(command, reason, target=f"model_instance:{name}")
    return write.answer(outcome, location=f"/api/v1/instances/{name}")
