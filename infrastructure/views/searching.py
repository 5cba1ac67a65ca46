"""Search by name or id over registry, datasets and runs at one snapshot."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement

from application.views import SearchHitView
from projections.datasets.tables import DATASETS
from projections.engine.snapshot import Snapshot
from projections.registry.tables import DEFINITIONS, INSTANCES, VERSIONS
from projections.runs.tables import RUNS
from projections.temporal import Relation


def search(snapshot: Snapshot, q: str, limit: int) -> tuple[SearchHitView, ...]:
    """Hits by type, then by reference; an empty `q` finds nothing."""
    needle = q.strip()
    if not needle:
        return ()
    hits: list[SearchHitView] = []
    for relation, text, hit in _SUBJECTS:
        c = snapshot.columns(relation)
        where = text(c).icontains(needle, autoescape=True)
        found = snapshot.rows(relation, where).order_by(*(c[name] for name in relation.key_fields))
        hits += [hit(row) for row in snapshot.fetch(relation, found.limit(limit - len(hits)))]
        if len(hits) >= limit:
            break
    return tuple(hits)


def _definition(row: Any) -> SearchHitView:
    summary = f"{row.category} definition, {row.state}"
    return SearchHitView(type="ml_module_def", ref=f"{row.name}@{row.version}", summary=summary)


def _instance(row: Any) -> SearchHitView:
    summary = f"instance of {row.definition}@{row.definition_version}, {row.state}"
    return SearchHitView(type="model_instance", ref=row.name, summary=summary)


def _version(row: Any) -> SearchHitView:
    ref = f"{row.instance}@{row.number}"
    return SearchHitView(type="model_version", ref=ref, summary=f"model version, stage {row.stage}")


def _dataset(row: Any) -> SearchHitView:
    summary = f"{row.kind} dataset, {row.versions} versions"
    return SearchHitView(type="dataset", ref=row.name, summary=summary)


def _run(row: Any) -> SearchHitView:
    summary = f"{row.kind} run of {row.instance}, {row.state}"
    return SearchHitView(type="run", ref=f"{row.kind}_run:{row.run_id}", summary=summary)


_SUBJECTS: tuple[
    tuple[Relation[Any], Callable[[Any], ColumnElement[str]], Callable[[Any], SearchHitView]], ...
] = (
    (INSTANCES, lambda c: c.name, _instance),
    (DEFINITIONS, lambda c: c.name.concat("@").concat(c.version), _definition),
    (DATASETS, lambda c: c.name, _dataset),
    (VERSIONS, lambda c: c.instance.concat("@").concat(c.number), _version),
    (RUNS, lambda c: c.run_id, _run),
)
