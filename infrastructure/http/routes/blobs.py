"""Blobs: packages, frames and model files, stored by their hash and named by commands."""

from fastapi import APIRouter, Request, Response

from infrastructure.http.bodies import UploadedFile
from infrastructure.http.reading import json_response
from infrastructure.http.results import BlobStored
from infrastructure.http.schemas import answers, binary_body

router = APIRouter(tags=["blobs"])


@router.post(
    "/blobs",
    openapi_extra=binary_body("application/octet-stream"),
    **answers(BlobStored, 201, refusals=[413]),
)
def store_blob(request: Request, content: UploadedFile) -> Response:
    """Store bytes; storing them twice is one blob."""
    size = content.stat().st_size
    return json_response(BlobStored(sha256=request.app.state.intake.keep(content), size_bytes=size), 201)
