"""The calls of the HTTP API, one method each; how they are sent is left to the clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import uuid4

from optaic.mlops.packaging import pack

Json = dict[str, Any]
"""A decoded JSON object, as docs of the API at `/api/docs` describe it."""
J = TypeVar("J")
B = TypeVar("B")
PARQUET = "application/vnd.apache.parquet"
ARROW_STREAM = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True)
class Call:
    """One request: everything but where it goes."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    json: Mapping[str, Any] | None = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Api(Generic[J, B]):
    """All calls. `J` is how JSON answers come back (Json, or an awaitable of it), `B` the same for bytes.

    Writes carry an Idempotency-Key, so that a repetition after a lost answer has one effect.
    """

    def _json(self, call: Call) -> J:
        raise NotImplementedError

    def _bytes(self, call: Call) -> B:
        raise NotImplementedError

    # --- definitions

    def submit_definition(self, package: Path | bytes, *, wait: float = 0) -> J:
        """Hand in a definition: its folder, or its zip; `wait` seconds for the verdict."""
        content = package if isinstance(package, bytes) else pack(package)
        headers = {"Content-Type": "application/zip"}
        return self._json(_write("/definitions", params={"wait": wait}, content=content, headers=headers))

    def get_definition(self, name: str, version: str) -> J:
        """One definition version with its evaluation."""
        return self._json(Call("GET", f"/definitions/{name}/{version}"))

    def list_definitions(self, **filters: Any) -> J:
        """A page of definition versions: {items, next_cursor}."""
        return self._json(Call("GET", "/definitions", params=filters))

    def publish_definition(self, name: str, version: str) -> J:
        """Share a version beyond its author's space."""
        return self._json(_write(f"/definitions/{name}/{version}/publish", json={}))

    def definition_source(self, name: str, version: str) -> B:
        """The package as it was submitted: a zip."""
        return self._bytes(Call("GET", f"/definitions/{name}/{version}/source"))

    # --- instances

    def create_model_instance(self, name: str, definition: str, **fields: Any) -> J:
        """Create an instance; fields as of the command create_instance."""
        return self._json(_write("/instances", json={"name": name, "definition": definition, **fields}))

    def get_model_instance(self, name: str, **moment: Any) -> J:
        """One instance; `as_of` a log position or time."""
        return self._json(Call("GET", f"/instances/{name}", params=moment))

    def list_model_instances(self, **filters: Any) -> J:
        """A page of instances."""
        return self._json(Call("GET", "/instances", params=filters))

    def update_model_instance(self, name: str, *, expected_version: int | None = None, **fields: Any) -> J:
        """Change the configuration of later runs; `expected_version`: only if the instance is still at it."""
        headers = {} if expected_version is None else {"If-Match": f'"{expected_version}"'}
        return self._json(_write(f"/instances/{name}", method="PATCH", json=fields, headers=headers))

    def get_instance_schedules(self, name: str, **moment: Any) -> J:
        """Its schedules and when each is due next: {instance, items}."""
        return self._json(Call("GET", f"/instances/{name}/schedules", params=moment))

    def archive_model_instance(self, name: str, *, reason: str) -> J:
        """Close an instance for good."""
        return self._json(_write(f"/instances/{name}/archive", json={"reason": reason}))

    # --- runs

    def submit_run(self, instance: str, kind: str, *, wait: float = 0, **fields: Any) -> J:
        """Ask for a run; `wait` seconds for its end. Fields as of the command submit_run; `override=True`
        with a `reason`: even if the gate blocks, for operators.
        """
        given = {name: value for name, value in fields.items() if value is not None}
        body = {"kind": kind, **given}
        return self._json(_write(f"/instances/{instance}/runs", params={"wait": wait}, json=body))

    def get_run(self, run_id: str, **moment: Any) -> J:
        """One run."""
        return self._json(Call("GET", f"/runs/{run_id}", params=moment))

    def list_runs(self, **filters: Any) -> J:
        """A page of runs."""
        return self._json(Call("GET", "/runs", params=filters))

    def cancel_run(self, run_id: str) -> J:
        """End a run at once."""
        return self._json(_write(f"/runs/{run_id}/cancel", json={}))

    def backfill(
        self,
        instance: str,
        first: str,
        last: str,
        *,
        refit: str | None = None,
        wait: float = 0,
        **fields: Any,
    ) -> J:
        """Predict the past as one workflow; `refit` (`1y`, `2q`, `6m`, or sessions) trains for it. `override`
        and `reason` as in `submit_run`.
        """
        given = {"from": first, "to": last, "refit": refit, **fields}
        body = {name: value for name, value in given.items() if value is not None}
        return self._json(_write(f"/instances/{instance}/backfill", params={"wait": wait}, json=body))

    def get_workflow(self, correlation_id: str, **moment: Any) -> J:
        """The runs of one correlation id and how far they are: {state, counts, runs}."""
        return self._json(Call("GET", f"/workflows/{correlation_id}", params=moment))

    def retry_run(self, run_id: str, *, wait: float = 0, **fields: Any) -> J:
        """Do a failed run again, as it was pinned; `override` and `reason` as in `submit_run`."""
        return self._json(_write(f"/runs/{run_id}/retry", params={"wait": wait}, json=fields))

    def reproduce_run(self, run_id: str, *, wait: float = 0) -> J:
        """Do a completed training again from what was recorded and compare; nothing is registered."""
        return self._json(_write(f"/runs/{run_id}/reproduce", params={"wait": wait}, json={}))

    def list_reproductions(self, run_id: str, **moment: Any) -> J:
        """What came of each reproduction of a training run: {items}."""
        return self._json(Call("GET", f"/runs/{run_id}/reproductions", params=moment))

    def compare_runs(self, run_ids: Sequence[str], **moment: Any) -> J:
        """Runs side by side: metrics, and parameters, settings and inputs in which they differ."""
        return self._json(Call("GET", "/runs/compare", params={"ids": ",".join(run_ids), **moment}))

    def get_metrics_history(
        self, run_id: str, names: Sequence[str] = (), *, max_points: int | None = None
    ) -> J:
        """The metric points of a run: {items}; of a longer series `max_points`, its peaks among them."""
        params: dict[str, Any] = {"name": list(names)} | ({"max_points": max_points} if max_points else {})
        return self._json(Call("GET", f"/runs/{run_id}/metrics", params=params))

    def get_run_log(self, run_id: str) -> B:
        """What a run printed."""
        return self._bytes(Call("GET", f"/runs/{run_id}/logs"))

    def get_run_report(self, run_id: str) -> J:
        """Everything that a monitoring run measured."""
        return self._json(Call("GET", f"/runs/{run_id}/reports/measured"))

    def get_evidently_page(self, run_id: str) -> B:
        """Evidently's page of a monitoring run, as HTML."""
        return self._bytes(Call("GET", f"/runs/{run_id}/reports/evidently"))

    def start_run(self, run_id: str, worker: str) -> J:
        """Claim a pending run that is done elsewhere; the answer's token goes with what follows."""
        return self._json(_write(f"/runs/{run_id}/start", json={"worker": worker}))

    def log_metrics(self, run_id: str, token: str, points: Sequence[Mapping[str, Any]]) -> J:
        """Record up to 1,000 points {name, step, value}."""
        return self._json(
            _write(f"/runs/{run_id}/metrics", json={"points": list(points)}, headers=_spoken_for(token))
        )

    def report_progress(self, run_id: str, token: str, fraction: float, message: str) -> J:
        """Say how far a run is, and renew its lease."""
        body = {"fraction": fraction, "message": message}
        return self._json(_write(f"/runs/{run_id}/progress", json=body, headers=_spoken_for(token)))

    def complete_run(self, run_id: str, token: str, **results: Any) -> J:
        """Hand over the results of a run."""
        return self._json(_write(f"/runs/{run_id}/complete", json=results, headers=_spoken_for(token)))

    def fail_run(self, run_id: str, token: str, *, code: str, message: str) -> J:
        """End a run without a result."""
        body = {"code": code, "message": message}
        return self._json(_write(f"/runs/{run_id}/fail", json=body, headers=_spoken_for(token)))

    # --- versions

    def list_versions(self, instance: str, **filters: Any) -> J:
        """A page of an instance's model versions, newest first."""
        return self._json(Call("GET", f"/instances/{instance}/versions", params=filters))

    def get_version(self, ref: str, **moment: Any) -> J:
        """One model version, such as `spx-alpha@3`."""
        return self._json(Call("GET", f"/versions/{ref}", params=moment))

    def get_production_version(self, instance: str, **moment: Any) -> J:
        """Which version was in production at a log moment, who put it there and why: {current, items}."""
        return self._json(Call("GET", f"/instances/{instance}/production", params=moment))

    def stage_version(self, ref: str, *, reason: str, override: bool = False) -> J:
        """none → staging; `override` as in `promote_version`."""
        return self._json(_write(f"/versions/{ref}/stage", json=_answered(reason, override=override)))

    def promote_version(self, ref: str, *, reason: str, dry_run: bool = False, override: bool = False) -> J:
        """staging → production; the answer holds the gate's report. `override`: even if the gate blocks, for
        whose key has the role operator.
        """
        params = {"dry_run": "true"} if dry_run else {}
        body = _answered(reason, override=override)
        return self._json(_write(f"/versions/{ref}/promote", params=params, json=body))

    def rollback(self, instance: str, *, reason: str, number: int | None = None) -> J:
        """archived → production: the former production version, or the one named."""
        body = {"reason": reason} | ({} if number is None else {"number": number})
        return self._json(_write(f"/instances/{instance}/rollback", json=body))

    def archive_version(self, ref: str, *, reason: str) -> J:
        """Any stage → archived; on production this retires it."""
        return self._json(_write(f"/versions/{ref}/archive", json={"reason": reason}))

    def get_passport(self, ref: str) -> J:
        """All that is known of a model version."""
        return self._json(Call("GET", f"/versions/{ref}/passport"))

    def download_artifact(self, ref: str) -> B:
        """The model file: a zip."""
        return self._bytes(Call("GET", f"/versions/{ref}/artifact"))

    # --- alerts

    def list_alerts(self, **filters: Any) -> J:
        """A page of alerts, the one raised last first; `state` may be `open`."""
        return self._json(Call("GET", "/alerts", params=filters))

    def get_alert(self, alert_id: str, **moment: Any) -> J:
        """One alert and its rule as it stood."""
        return self._json(Call("GET", f"/alerts/{alert_id}", params=moment))

    def acknowledge_alert(self, alert_id: str, *, reason: str | None = None) -> J:
        """Say that somebody looks after an alert."""
        return self._json(_write(f"/alerts/{alert_id}/acknowledge", json={"reason": reason}))

    def resolve_alert(self, alert_id: str, *, reason: str | None = None) -> J:
        """End an alert."""
        return self._json(_write(f"/alerts/{alert_id}/resolve", json={"reason": reason}))

    def get_monitoring(self, instance: str, **options: Any) -> J:
        """Rules, open alerts and what the last monitoring runs measured; `runs` says how many."""
        return self._json(Call("GET", f"/instances/{instance}/monitoring", params=options))

    # --- datasets

    def create_dataset(self, name: str, declaration: Mapping[str, Any]) -> J:
        """Create a source dataset."""
        return self._json(_write("/datasets", json={"name": name, "declaration": declaration}))

    def get_dataset(self, name: str, **moment: Any) -> J:
        """One dataset."""
        return self._json(Call("GET", f"/datasets/{name}", params=moment))

    def list_dataset_versions(self, name: str, **filters: Any) -> J:
        """A page of a dataset's versions, newest first."""
        return self._json(Call("GET", f"/datasets/{name}/versions", params=filters))

    def write_dataset_version(
        self, name: str, rows: bytes, *, backfill: bool = False, media_type: str = PARQUET
    ) -> J:
        """Add rows (Parquet, Arrow or CSV)."""
        params = {"backfill": "true"} if backfill else {}
        headers = {"Content-Type": media_type}
        return self._json(_write(f"/datasets/{name}/versions", params=params, content=rows, headers=headers))

    def read_rows(self, name: str, **selection: Any) -> B:
        """Rows as an Arrow stream: `version`, `as_of` (knowledge), `first`, `last`, `entity`, `column`."""
        given = {key: value for key, value in selection.items() if value is not None}
        return self._bytes(
            Call("GET", f"/datasets/{name}/rows", params=given, headers={"Accept": ARROW_STREAM})
        )

    # --- the rest

    def store_blob(self, content: bytes) -> J:
        """Store bytes; the answer names their SHA-256."""
        return self._json(
            _write("/blobs", content=content, headers={"Content-Type": "application/octet-stream"})
        )

    def get_lineage(self, node: str, *, direction: str = "both", **options: Any) -> J:
        """The lineage of a node such as `model_version:spx-alpha@3`."""
        return self._json(Call("GET", f"/lineage/{node}", params={"direction": direction, **options}))

    def list_activity(self, **filters: Any) -> J:
        """A page of the activity log."""
        return self._json(Call("GET", "/activity", params=filters))

    def get_history(self, ref: str, **moment: Any) -> J:
        """A resource's whole history."""
        return self._json(Call("GET", f"/history/{ref}", params=moment))

    def health(self) -> J:
        """Whether the service is there."""
        return self._json(Call("GET", "/health"))


def _answered(reason: str, *, override: bool) -> Mapping[str, Any]:
    """Why, and that a gate is overridden, if it is."""
    return {"reason": reason} | ({"override": True} if override else {})


def _write(
    path: str,
    *,
    method: str = "POST",
    params: Mapping[str, Any] | None = None,
    json: Mapping[str, Any] | None = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Call:
    keyed = {"Idempotency-Key": str(uuid4()), **(headers or {})}
    return Call(method, path, params or {}, json, content, keyed)


def _spoken_for(token: str) -> dict[str, str]:
    """The run's own token: `Authorization` is left to the API key."""
    return {"X-Run-Token": token}
