"""Rows of a dataset as of any moment: what did the world know then?"""

import io
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Response

from application.queries import Queries
from application.views import DatasetVersionView, DatasetView
from domain.dataset.errors import DatasetEmpty, DatasetUnknown, DatasetVersionNotReadable
from domain.shared.times import LogMoment
from infrastructure.http.accepted import preferred
from infrastructure.http.errors import RequestParametersConflict
from infrastructure.http.moments import day, knowledge_time, log_moment
from infrastructure.http.reading import PlainRead, Reader, found, json_response
from infrastructure.http.routes.datasets import ARROW_FILE, ARROW_STREAM, CSV
from infrastructure.http.schemas import answers

if TYPE_CHECKING:
    import polars as pl

router = APIRouter(prefix="/datasets", tags=["datasets"])

JSON = "application/json"
JSON_ROWS_MAX = 10_000
"""JSON is for looking; Arrow for everything."""

Time = Annotated[
    str | None,
    Query(
        max_length=64,
        description="The knowledge clock: an RFC 3339 time with offset; a bare date means the "
        "session's close where the dataset has a calendar. Default: now.",
    ),
]
LogTime = Annotated[
    str | None,
    Query(
        max_length=64, description="The log's clock: the newest version recorded by this position or time."
    ),
]
Day = Annotated[str | None, Query(max_length=10, examples=["2024-03-08"])]


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Rows known at `as_of`, sorted by date and entity."""

    dataset: str
    version: int
    as_of: datetime
    total: int
    """How many rows there are; `rows` holds the first of them."""
    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the rows."""

    first: date | None
    last: date | None
    entities: list[str] | None
    columns: list[str] | None
    limit: int | None


async def selection(
    first: Day = None,
    last: Day = None,
    entity: Annotated[list[str] | None, Query(description="Only these; may be repeated.")] = None,
    column: Annotated[list[str] | None, Query(description="Only these; may be repeated.")] = None,
    limit: Annotated[int | None, Query(ge=0, le=2**31)] = None,
) -> Selection:
    """Which of the rows."""
    return Selection(day(first, "first"), day(last, "last"), entity, column, limit)


async def version_asked(
    version: Annotated[int | None, Query(ge=1, le=999_999_999)] = None, log_as_of: LogTime = None
) -> tuple[int | None, str | None]:
    """Which version. Raises RequestParametersConflict."""
    if version is not None and log_as_of is not None:
        raise RequestParametersConflict("`version` names a version, `log_as_of` picks one")
    return version, log_as_of


@router.get(
    "/{name}/rows",
    **answers(Rows, refusals=[404, 409, 410, 415, 422], also=[ARROW_STREAM, ARROW_FILE, CSV]),
)
def show_rows(
    name: str,
    read: PlainRead,
    which: Annotated[tuple[int | None, str | None], Depends(version_asked)],
    wanted: Annotated[Selection, Depends(selection)],
    as_of: Time = None,
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """Rows of one version as the world knew them at `as_of`: Arrow, CSV or JSON by `Accept`."""
    kind = preferred(accept, (JSON, ARROW_STREAM, ARROW_FILE, CSV))
    dataset, chosen = _chosen(read, name, *which)
    known = knowledge_time(as_of, dataset.declaration.calendar, read.service.sessions).at
    frame = read.service.datasets.read(
        found(chosen.content, DatasetVersionNotReadable, f"readable version {chosen.ref}").manifest_sha256,
        known,
        columns=wanted.columns,
        first=wanted.first,
        last=wanted.last,
        entities=wanted.entities,
    )
    return _answer(kind, frame, wanted.limit, chosen, known)


def _chosen(
    read: Reader, name: str, version: int | None, log_as_of: str | None
) -> tuple[DatasetView, DatasetVersionView]:
    service = read.service
    read.moment()
    at = log_moment(log_as_of, service.log, read.queries, service.settings.wait_s_max, read.tenant)
    dataset = found(read.queries.dataset(read.tenant, name, at), DatasetUnknown, f"dataset {name}")
    if version is None:
        return dataset, _newest(read.queries, read.tenant, name, at)
    view = read.queries.dataset_version(read.tenant, name, version, at)
    chosen = found(view, DatasetUnknown, f"dataset version {name}@{version}")
    if chosen.state != "verified":
        raise DatasetVersionNotReadable(f"{chosen.ref} is {chosen.state}")
    return dataset, chosen


def _newest(queries: Queries, tenant: str, name: str, at: LogMoment | None) -> DatasetVersionView:
    view = queries.newest_dataset_version(tenant, name, at)
    return found(view, DatasetEmpty, f"readable version of {name}")


def _answer(
    kind: str, frame: "pl.DataFrame", limit: int | None, chosen: DatasetVersionView, known: datetime
) -> Response:
    headers = {
        "X-Dataset-Version": chosen.ref,
        "X-As-Of": known.isoformat().replace("+00:00", "Z"),
        "X-Total-Rows": str(frame.height),
        "Vary": "Accept",
    }
    if kind == JSON:
        shown = frame.head(JSON_ROWS_MAX if limit is None else min(limit, JSON_ROWS_MAX))
        view = Rows(
            dataset=chosen.dataset,
            version=chosen.number,
            as_of=known,
            total=frame.height,
            rows=tuple(shown.to_dicts()),
        )
        return json_response(view, headers=headers)
    return Response(_written(kind, frame if limit is None else frame.head(limit)), 200, headers, kind)


def _written(kind: str, frame: "pl.DataFrame") -> bytes:
    content = io.BytesIO()
    if kind == CSV:
        frame.write_csv(content, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
    elif kind == ARROW_STREAM:
        frame.write_ipc_stream(content)
    else:
        frame.write_ipc(content)
    return content.getvalue()
