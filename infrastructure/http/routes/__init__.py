"""One module a subject; a route is request → command or query → status and headers."""

from fastapi import APIRouter

from infrastructure.http.routes import (
    access,
    activity,
    alerts,
    blobs,
    commands,
    datasets,
    definitions,
    instances,
    lineage,
    reports,
    rows,
    runs,
    system,
    versions,
    workers,
    workflows,
)

ROUTERS: tuple[APIRouter, ...] = (
    definitions.router,
    instances.router,
    runs.router,
    reports.router,
    workflows.router,
    workers.router,
    versions.router,
    datasets.router,
    rows.router,
    alerts.router,
    lineage.router,
    activity.router,
    commands.router,
    blobs.router,
    access.router,
    system.router,
)
