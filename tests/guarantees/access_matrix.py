"""The rows of G9's matrix: how each route is asked, and what an operator of another tenant gets for it.

404 where the request names something of ours; elsewhere the other tenant's own world.
"""

from dataclasses import dataclass
from typing import Any

from tests.http.life import API, CSV, PRICES, TRAINED_AS_OF, ZIP, declaration, package

REASON = {"reason": "a test"}
COLUMNS = [{"name": "close", "type": "float64"}]
WISH = {"kind": "training", "as_of": TRAINED_AS_OF}
POINTS = {"points": [{"name": "loss", "step": 0, "value": 0.5}]}
FAILURE = {"code": "x.y", "message": "no"}
NODE = "model_version:spx-alpha@1"
THEIRS = package("their-signal")


@dataclass(frozen=True)
class Row:
    """How a route is asked, and what another tenant's operator gets. `{run}`, `{workflow}`, `{key}`: ours."""

    path: str
    other: int
    body: Any = None
    content: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


def row(path: str, other: int = 200, body: Any = None, **more: Any) -> Row:
    return Row(API + path, other, body, **more)


READS = {
    "GET /": Row("/", 200),
    "GET /api/docs": Row("/api/docs", 200),
    "GET /metrics": Row("/metrics", 200),
    f"GET {API}/openapi.json": row("/openapi.json"),
    f"GET {API}/health": row("/health"),
    f"GET {API}/ready": row("/ready"),
    f"GET {API}/metrics": row("/metrics"),
    f"GET {API}/version": row("/version"),
    f"GET {API}/system/projections": row("/system/projections"),
    f"GET {API}/search": row("/search?q=alpha"),
    f"GET {API}/problems/{{code}}": row("/problems/run.already_finished"),
    f"GET {API}/definitions": row("/definitions"),
    f"GET {API}/definitions/{{name}}": row("/definitions/toy-signal", 404),
    f"GET {API}/definitions/{{name}}/{{version}}": row("/definitions/toy-signal/1.0.0", 404),
    f"GET {API}/definitions/{{name}}/{{version}}/source": row("/definitions/toy-signal/1.0.0/source", 404),
    f"GET {API}/instances": row("/instances"),
    f"GET {API}/instances/{{name}}": row("/instances/spx-alpha", 404),
    f"GET {API}/instances/{{name}}/production": row("/instances/spx-alpha/production", 404),
    f"GET {API}/instances/{{name}}/schedules": row("/instances/spx-alpha/schedules", 404),
    f"GET {API}/instances/{{name}}/versions": row("/instances/spx-alpha/versions", 404),
    f"GET {API}/runs": row("/runs"),
    f"GET {API}/runs/compare": row("/runs/compare?ids={run}"),
    f"GET {API}/runs/{{run_id}}": row("/runs/{run}", 404),
    f"GET {API}/runs/{{run_id}}/report": row("/runs/{run}/report", 404),
    f"GET {API}/runs/{{run_id}}/metrics": row("/runs/{run}/metrics", 404),
    f"GET {API}/runs/{{run_id}}/progress": row("/runs/{run}/progress", 404),
    f"GET {API}/runs/{{run_id}}/logs": row("/runs/{run}/logs", 404),
    f"GET {API}/runs/{{run_id}}/reports/measured": row("/runs/{run}/reports/measured", 404),
    f"GET {API}/runs/{{run_id}}/reports/evidently": row("/runs/{run}/reports/evidently", 404),
    f"GET {API}/runs/{{run_id}}/reproductions": row("/runs/{run}/reproductions", 404),
    f"GET {API}/workflows/{{correlation_id}}": row("/workflows/{workflow}", 404),
    f"GET {API}/versions": row("/versions"),
    f"GET {API}/versions/{{ref}}": row("/versions/spx-alpha@1", 404),
    f"GET {API}/versions/{{ref}}/passport": row("/versions/spx-alpha@1/passport", 404),
    f"GET {API}/versions/{{ref}}/artifact": row("/versions/spx-alpha@1/artifact", 404),
    f"GET {API}/datasets": row("/datasets"),
    f"GET {API}/datasets/{{name}}": row("/datasets/us-prices", 404),
    f"GET {API}/datasets/{{name}}/versions": row("/datasets/us-prices/versions", 404),
    f"GET {API}/datasets/{{name}}/versions/{{number}}": row("/datasets/us-prices/versions/1", 404),
    f"GET {API}/datasets/{{name}}/rows": row("/datasets/us-prices/rows", 404),
    f"GET {API}/lineage/{{node}}": row(f"/lineage/{NODE}", 404),
    f"GET {API}/lineage/{{of}}/impact": row(f"/lineage/{NODE}/impact", 404),
    f"GET {API}/activity": row("/activity"),
    f"GET {API}/activity/stream": row("/activity/stream?beyond=0"),
    f"GET {API}/activity/{{position}}": row("/activity/{event}", 404),
    f"GET {API}/history/{{ref}}": row("/history/spx-alpha", 404),
    f"GET {API}/access/keys": row("/access/keys"),
}
WRITES = {
    f"POST {API}/definitions": row(
        "/definitions", 202, content=package("their-signal"), headers=tuple(ZIP.items())
    ),
    f"POST {API}/definitions/{{name}}/{{version}}/evaluate": row(
        "/definitions/toy-signal/1.0.0/evaluate", 404, {}
    ),
    f"POST {API}/definitions/{{name}}/{{version}}/publish": row(
        "/definitions/toy-signal/1.0.0/publish", 404, {}
    ),
    f"POST {API}/definitions/{{name}}/{{version}}/deprecate": row(
        "/definitions/toy-signal/1.0.0/deprecate", 404, REASON
    ),
    f"POST {API}/instances": row(
        "/instances",
        404,
        {
            "name": "theirs",
            "definition": "toy-signal@1.0.0",
            "training_datasets": [{"dataset": "us-prices"}],
        },
    ),
    f"PATCH {API}/instances/{{name}}": row("/instances/spx-alpha", 404, {"description": "ours now"}),
    f"POST {API}/instances/{{name}}/archive": row("/instances/spx-alpha/archive", 404, REASON),
    f"POST {API}/instances/{{name}}/runs": row("/instances/spx-alpha/runs", 404, WISH),
    f"POST {API}/instances/{{name}}/backfill": row(
        "/instances/spx-alpha/backfill", 404, {"from": "2024-03-11", "to": "2024-03-15"}
    ),
    f"POST {API}/instances/{{name}}/rollback": row("/instances/spx-alpha/rollback", 404, REASON),
    f"POST {API}/runs/{{run_id}}/cancel": row("/runs/{pending}/cancel", 404, {}),
    f"POST {API}/runs/{{run_id}}/retry": row("/runs/{pending}/retry", 404, {}),
    f"POST {API}/runs/{{run_id}}/reproduce": row("/runs/{run}/reproduce", 404, {}),
    f"POST {API}/runs/{{run_id}}/start": row("/runs/{pending}/start", 404, {"worker": "theirs"}),
    # these four ask for one thing more behind the door: the run's token, which its tenant is part of
    f"POST {API}/runs/{{run_id}}/progress": row("/runs/{run}/progress", 403, {"fraction": 0.5}),
    f"POST {API}/runs/{{run_id}}/metrics": row("/runs/{run}/metrics", 403, POINTS),
    f"POST {API}/runs/{{run_id}}/complete": row("/runs/{run}/complete", 403, {}),
    f"POST {API}/runs/{{run_id}}/fail": row("/runs/{run}/fail", 403, FAILURE),
    f"PATCH {API}/versions/{{ref}}": row("/versions/spx-alpha@1", 404, {"tags": ["theirs"]}),
    f"POST {API}/versions/{{ref}}/stage": row("/versions/spx-alpha@1/stage", 404, REASON),
    f"POST {API}/versions/{{ref}}/promote": row("/versions/spx-alpha@1/promote", 404, REASON),
    f"POST {API}/versions/{{ref}}/rollback": row("/versions/spx-alpha@1/rollback", 404, REASON),
    f"POST {API}/versions/{{ref}}/archive": row("/versions/spx-alpha@1/archive", 404, REASON),
    f"POST {API}/datasets": row("/datasets", 201, {"name": "theirs", "declaration": declaration(COLUMNS)}),
    f"POST {API}/datasets/{{name}}/versions": row(
        "/datasets/us-prices/versions", 404, content=PRICES.encode(), headers=tuple(CSV.items())
    ),
    f"POST {API}/datasets/{{name}}/versions/{{number}}/purge": row(
        "/datasets/us-prices/versions/1/purge", 404, REASON
    ),
    f"POST {API}/commands": row(
        "/commands",
        404,
        {
            "command_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
            "type": "archive_instance",
            "data": {"name": "spx-alpha"},
            **REASON,
        },
    ),
    f"POST {API}/blobs": row("/blobs", 201, content=b"theirs"),
    f"POST {API}/access/keys": row("/access/keys", 201, {"principal": "p_theirs", "role": "reader"}),
    f"POST {API}/access/keys/{{key_id}}/revoke": row("/access/keys/{key}/revoke", 404, REASON),
    f"POST {API}/system/rebuild": row("/system/rebuild", 200, {}),
    f"POST {API}/system/verify": row("/system/verify", 200, {}),
}
MATRIX = {**READS, **WRITES}
