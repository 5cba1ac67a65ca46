"""What monitoring runs handed in to be read. It was made by a run's own process: data, never believed."""

import re
from typing import Any

import msgspec
from fastapi import APIRouter, Response

from application.views import RunView
from domain.run.errors import RunUnknown
from infrastructure.http.errors import RunReportMissing
from infrastructure.http.reading import PlainRead, Reader, found
from infrastructure.http.schemas import answers, files

router = APIRouter(tags=["runs"])

_SHA256 = re.compile("[0-9a-f]{64}")
_SANDBOXED = {
    "Content-Encoding": "gzip",
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; img-src data: blob:; "
    "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; font-src data:",
}
"""A page is shown without an origin and without a network."""


class MonitoringReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a monitoring run measured; what could not be measured is absent or null."""

    form: int
    run: str
    instance: str
    definition: str
    category: str
    as_of: str
    facts: dict[str, Any]
    drift: dict[str, Any]
    """`features` and `predictions`, each with method, threshold, score and reason; `share`."""
    quality: dict[str, Any]
    freshness: dict[str, int]
    coverage: dict[str, Any] | None
    performance: dict[str, float | None]
    degraded: bool | None
    not_measured: dict[str, str]
    distributions: dict[str, Any]
    """Column → `edges` or `values`, and the counts of `reference` and `current`."""
    series: tuple[dict[str, Any], ...]
    """Predicted and realised values, at most 400."""


@router.get("/runs/{run_id}/reports/measured", **answers(MonitoringReport, refusals=[404]))
def show_measured(run_id: str, read: PlainRead) -> Response:
    """Everything that a monitoring run measured, as JSON."""
    content = found(_content(read, run_id, "report"), RunReportMissing, f"report of run {run_id}")
    try:
        return read.show(msgspec.json.decode(content, type=MonitoringReport))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RunReportMissing(f"what run {run_id} handed in is no report") from None


@router.get("/runs/{run_id}/reports/evidently", **files("text/html", refusals=[404]))
def show_evidently(run_id: str, read: PlainRead) -> Response:
    """Evidently's page of a monitoring run."""
    content = found(_content(read, run_id, "evidently"), RunReportMissing, f"page of run {run_id}")
    return Response(content, 200, _SANDBOXED, "text/html; charset=utf-8")


def _content(read: Reader, run_id: str, name: str) -> bytes | None:
    run: RunView = found(read.queries.run(read.tenant, run_id, read.moment()), RunUnknown, f"run {run_id}")
    sha256 = str(run.facts.get(f"{name}_sha256"))
    if run.kind != "monitoring" or not _SHA256.fullmatch(sha256):
        return None
    return read.service.artifacts.get(sha256)
