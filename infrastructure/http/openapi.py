"""The OpenAPI 3.1 document: FastAPI's paths, our types."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from infrastructure.http import schemas

DESCRIPTION = (
    "Model operations as an event log: every answer can be asked `as_of` any moment of the log, rows of "
    "datasets as of any moment of the world. Writes take `Idempotency-Key` and `If-Match`; errors are "
    "problem+json."
)


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document; equal for equal code."""
    made = get_openapi(
        title="OptAIC MLOps", version="1", openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes
    )
    return schemas.resolve(made)
