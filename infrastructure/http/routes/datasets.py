"""Datasets and their versions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as PathParameter

from application.errors import DatasetMediaTypeUnsupported
from application.queries import DatasetFilter
from application.views import DatasetVersionView, DatasetView, Page
from domain.dataset.commands import CreateDataset, PurgeDatasetVersion, WriteDatasetVersion
from domain.dataset.errors import DatasetUnknown
from infrastructure.http.bodies import JsonBody, UploadedFile, decoded, made, media_type
from infrastructure.http.reading import Part, Read, found
from infrastructure.http.results import Written
from infrastructure.http.schemas import answers, binary_body, body
from infrastructure.http.writing import Write

router = APIRouter(prefix="/datasets", tags=["datasets"])

PARQUET = "application/vnd.apache.parquet"
ARROW_FILE = "application/vnd.apache.arrow.file"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
CSV = "text/csv"
ROWS = (PARQUET, ARROW_FILE, ARROW_STREAM, CSV)
Number = Annotated[int, PathParameter(ge=1, le=999_999_999)]
BackfillFlag = Annotated[bool, Query(description="These rows are history being loaded (rule R5).")]


async def rows_only(request: Request) -> str:
    """The media type of uploaded rows. Raises DatasetMediaTypeUnsupported."""
    kind = media_type(request)
    if kind not in ROWS:
        raise DatasetMediaTypeUnsupported(f"the body is {kind!r}")
    return kind


@router.post(
    "", openapi_extra=body(CreateDataset), **answers(Written, 201, 200, refusals=[409, 412, 413, 415, 422])
)
def create_dataset(content: JsonBody, write: Write) -> Response:
    """Create a source dataset."""
    command, reason = decoded(content, CreateDataset)
    outcome = write.send(command, reason, target=f"dataset:{command.name}")
    return write.answer(outcome, status=201, location=f"/api/v1/datasets/{command.name}")


@router.get("", **answers(Page[DatasetView]))
def list_datasets(read: Read, part: Part, kind: str | None = None, instance: str | None = None) -> Response:
    """Datasets by name."""
    filters = DatasetFilter(kind=kind, instance=instance)
    return read.page(read.queries.datasets(read.tenant, filters, part, read.moment()))


@router.get("/{name}", **answers(DatasetView, refusals=[404]))
def show_dataset(name: str, read: Read) -> Response:
    """One dataset."""
    view = read.queries.dataset(read.tenant, name, read.moment())
    return read.item(view, DatasetUnknown, f"dataset {name}")


@router.post(
    "/{name}/versions",
    openapi_extra=binary_body(*ROWS),
    **answers(Written, 201, 200, refusals=[404, 409, 412, 413, 415, 422]),
)
def write_version(
    request: Request,
    name: str,
    kind: Annotated[str, Depends(rows_only)],
    rows: UploadedFile,
    write: Write,
    backfill: BackfillFlag = False,
) -> Response:
    """Add rows (Parquet, Arrow or CSV). Rows that are stored already make no version: 200."""
    with request.app.state.intake.tentative(rows, keep=False) as sha256:
        command = made(
            WriteDatasetVersion, dataset=name, blob_sha256=sha256, media_type=kind, backfill=backfill
        )
        outcome = write.send(command, target=f"dataset:{name}")
    number = outcome.refs[0].rpartition("@")[2] if outcome.refs else None
    location = f"/api/v1/datasets/{name}/versions" + (f"/{number}" if number else "")
    return write.answer(outcome, status=201, location=location)


@router.get("/{name}/versions", **answers(Page[DatasetVersionView], refusals=[404]))
def list_dataset_versions(name: str, read: Read, part: Part) -> Response:
    """Versions of a dataset, newest first."""
    at = read.moment()
    found(read.queries.dataset(read.tenant, name, at), DatasetUnknown, f"dataset {name}")
    return read.page(read.queries.dataset_versions(read.tenant, name, part, at))


@router.get("/{name}/versions/{number}", **answers(DatasetVersionView, refusals=[404]))
def show_dataset_version(name: str, number: Number, read: Read) -> Response:
    """One version of a dataset."""
    view = read.queries.dataset_version(read.tenant, name, number, read.moment())
    return read.item(view, DatasetUnknown, f"dataset version {name}@{number}")


@router.post(
    "/{name}/versions/{number}/purge",
    openapi_extra=body(PurgeDatasetVersion, "dataset", "number"),
    **answers(Written, refusals=[404, 409, 410, 412, 415, 422]),
)
def purge_version(name: str, number: Number, content: JsonBody, write: Write) -> Response:
    """Delete the bytes that a version added; manifest, hash and history stay. Needs a reason."""
    command, reason = decoded(content, PurgeDatasetVersion, dataset=name, number=number)
    outcome = write.send(command, reason, target=f"dataset:{name}")
    return write.answer(outcome, location=f"/api/v1/datasets/{name}/versions/{number}")
