"""What the registry answers, at one snapshot."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import select

from application.queries import DefinitionFilter, InstanceFilter, VersionFilter
from application.views import (
    ActView,
    DefinitionView,
    EvaluationView,
    GateReportView,
    InstanceView,
    Page,
    ProductionView,
    RunBriefView,
    VersionView,
)
from domain.guardrails.events import GuardrailEvaluated
from domain.ml_module_def.events import DefinitionEvaluated, DefinitionSubmitted
from domain.model_instance.specification import Specification
from domain.model_version.events import VersionAnnotated, VersionRegistered
from domain.shared.activity import StreamKey
from domain.shared.references import DefinitionRef
from projections.engine.facts import Fact, act_view
from projections.engine.paging import Paged
from projections.engine.snapshot import Snapshot, StreamVersions
from projections.registry.tables import (
    DEFINITIONS,
    FACTS,
    GATES,
    INSTANCES,
    PRODUCTION,
    VERSIONS,
    DefinitionRow,
    InstanceRow,
    ProductionRow,
    VersionRow,
)


class _Specified(msgspec.Struct, frozen=True):
    specification: Specification


_submitted = msgspec.json.Decoder(DefinitionSubmitted).decode
_evaluated = msgspec.json.Decoder(DefinitionEvaluated).decode
_specified = msgspec.json.Decoder(_Specified).decode
_registered = msgspec.json.Decoder(VersionRegistered).decode
_annotated = msgspec.json.Decoder(VersionAnnotated).decode
_gated = msgspec.json.Decoder(GuardrailEvaluated).decode

Briefs = Callable[[Sequence[str]], dict[str, RunBriefView]]
"""Runs in one line, by id."""


class _Quotes:
    """The facts that some rows refer to."""

    def __init__(self, snapshot: Snapshot, positions: Sequence[int | None]) -> None:
        self._facts = snapshot.facts(FACTS, positions)

    def act(self, position: int) -> ActView:
        return act_view(self._facts[position])

    def act_or_none(self, position: int | None) -> ActView | None:
        return None if position is None else self.act(position)

    def document(self, position: int) -> bytes:
        fact: Fact = self._facts[position]
        return fact.document or b""


# --- definitions ---


def definitions(
    snapshot: Snapshot, filters: DefinitionFilter, paged: Paged, streams: StreamVersions
) -> Page[DefinitionView]:
    """A page of definition versions by name, then in the order they were first submitted."""
    c = snapshot.columns(DEFINITIONS)
    statement = snapshot.rows(DEFINITIONS)
    for name in ("name", "state", "category"):
        wanted = getattr(filters, name)
        if wanted is not None:
            statement = statement.where(c[name] == wanted)
    order = [(c.name, False), (c.first_submitted, False)]
    return paged.page(
        snapshot,
        statement,
        order,
        lambda rows: _definition_views(snapshot, [DefinitionRow(*row) for row in rows], streams),
    )


def definition(snapshot: Snapshot, name: str, version: str, streams: StreamVersions) -> DefinitionView | None:
    """One definition version."""
    c = snapshot.columns(DEFINITIONS)
    row = snapshot.one(DEFINITIONS, c.name == name, c.version == version)
    return _definition_views(snapshot, [row], streams)[0] if row else None


def _definition_views(
    snapshot: Snapshot, rows: Sequence[DefinitionRow], streams: StreamVersions
) -> list[DefinitionView]:
    positions = [p for row in rows for p in (row.submitted, row.evaluated, row.published, row.deprecated)]
    quotes = _Quotes(snapshot, positions)
    versions = streams([StreamKey("ml_module_def", row.name) for row in rows])
    return [_definition_view(row, quotes, versions[StreamKey("ml_module_def", row.name)]) for row in rows]


def _definition_view(row: DefinitionRow, quotes: _Quotes, stream_version: int) -> DefinitionView:
    submitted = _submitted(quotes.document(row.submitted))
    return DefinitionView(
        name=row.name,
        version=row.version,
        ref=f"{row.name}@{row.version}",
        state=cast("Any", row.state),
        category=row.category,
        manifest=submitted.manifest,
        submitter=submitted.submitter,
        submitted=quotes.act(row.submitted),
        evaluation=_evaluation(row, quotes),
        published=quotes.act_or_none(row.published),
        deprecated=quotes.act_or_none(row.deprecated),
        stream_version=stream_version,
    )


def _evaluation(row: DefinitionRow, quotes: _Quotes) -> EvaluationView | None:
    if row.evaluated is None:
        return None
    event = _evaluated(quotes.document(row.evaluated))
    return EvaluationView(
        verdict=event.verdict,
        sandbox_level=event.sandbox_level,
        checks=event.checks,
        report_sha256=event.report_sha256,
        hyper_parameter_schema=event.hyper_parameter_schema,
        output_columns=event.output_columns,
        act=quotes.act(row.evaluated),
    )


# --- instances ---


def instances(
    snapshot: Snapshot, filters: InstanceFilter, paged: Paged, streams: StreamVersions, briefs: Briefs
) -> Page[InstanceView]:
    """A page of instances by name."""
    c = snapshot.columns(INSTANCES)
    statement = snapshot.rows(INSTANCES)
    for name in ("state", "space", "owner"):
        wanted = getattr(filters, name)
        if wanted is not None:
            statement = statement.where(c[name] == wanted)
    if filters.definition is not None:
        name, _, version = filters.definition.partition("@")
        statement = statement.where(c.definition == name)
        if version:
            statement = statement.where(c.definition_version == version)
    return paged.page(
        snapshot,
        statement,
        [(c.name, False)],
        lambda rows: _instance_views(snapshot, [InstanceRow(*row) for row in rows], streams, briefs),
    )


def instance(snapshot: Snapshot, name: str, streams: StreamVersions, briefs: Briefs) -> InstanceView | None:
    """One instance."""
    row = snapshot.one(INSTANCES, snapshot.columns(INSTANCES).name == name)
    return _instance_views(snapshot, [row], streams, briefs)[0] if row else None


def _instance_views(
    snapshot: Snapshot, rows: Sequence[InstanceRow], streams: StreamVersions, briefs: Briefs
) -> list[InstanceView]:
    quotes = _Quotes(snapshot, [p for row in rows for p in (row.created, row.specified, row.archived)])
    versions = streams([StreamKey("model_instance", row.name) for row in rows])
    runs = briefs([row.last_run for row in rows if row.last_run is not None])
    return [
        InstanceView(
            name=row.name,
            state=cast("Any", row.state),
            definition=DefinitionRef(row.definition, row.definition_version),
            specification=_specified(quotes.document(row.specified)).specification,
            output_dataset=row.output_dataset,
            active_version=row.active_version,
            versions=row.versions,
            runs=row.runs,
            last_run=None if row.last_run is None else runs[row.last_run],
            created=quotes.act(row.created),
            specified=quotes.act(row.specified),
            archived=quotes.act_or_none(row.archived),
            stream_version=versions[StreamKey("model_instance", row.name)],
        )
        for row in rows
    ]


# --- versions ---


def versions(
    snapshot: Snapshot, filters: VersionFilter, paged: Paged, streams: StreamVersions
) -> Page[VersionView]:
    """A page of model versions by instance, newest number first."""
    c = snapshot.columns(VERSIONS)
    statement = snapshot.rows(VERSIONS)
    for name in ("instance", "stage"):
        wanted = getattr(filters, name)
        if wanted is not None:
            statement = statement.where(c[name] == wanted)
    return paged.page(
        snapshot,
        statement,
        [(c.instance, False), (c.number, True)],
        lambda rows: _version_views(snapshot, [VersionRow(*row) for row in rows], streams),
    )


def version(snapshot: Snapshot, instance: str, number: int, streams: StreamVersions) -> VersionView | None:
    """One model version."""
    c = snapshot.columns(VERSIONS)
    row = snapshot.one(VERSIONS, c.instance == instance, c.number == number)
    return _version_views(snapshot, [row], streams)[0] if row else None


def _stream(row: VersionRow) -> StreamKey:
    return StreamKey("model_version", f"{row.instance}@{row.number}")


def _version_views(
    snapshot: Snapshot, rows: Sequence[VersionRow], streams: StreamVersions
) -> list[VersionView]:
    positions = [
        p for row in rows for p in (row.registered, row.staged, row.promoted, row.annotated, row.purged)
    ]
    quotes = _Quotes(snapshot, positions)
    stands = streams([_stream(row) for row in rows])
    return [_version_view(row, quotes, stands[_stream(row)]) for row in rows]


def _version_view(row: VersionRow, quotes: _Quotes, stream_version: int) -> VersionView:
    made = _registered(quotes.document(row.registered))
    note = None if row.annotated is None else _annotated(quotes.document(row.annotated))
    return VersionView(
        instance=row.instance,
        number=row.number,
        ref=f"{row.instance}@{row.number}",
        stage=cast("Any", row.stage),
        definition=made.definition,
        package_sha256=made.package_sha256,
        artifact_sha256=made.artifact_sha256,
        artifact_uri=made.artifact_uri,
        artifact_bytes=made.artifact_bytes,
        artifact_format=made.artifact_format,
        metrics=made.metrics,
        hyper_parameters=made.hyper_parameters,
        inputs=made.inputs,
        reading=made.reading,
        trained_as_of=made.trained_as_of,
        run_id=made.run_id,
        external=made.external,
        refit=made.refit,
        description=note.description if note else "",
        tags=note.tags if note else (),
        registered=quotes.act(row.registered),
        staged=quotes.act(row.staged),
        promoted=quotes.act_or_none(row.promoted),
        purged=quotes.act_or_none(row.purged),
        stream_version=stream_version,
    )


# --- production ---


def production_at(snapshot: Snapshot, instance: str) -> ProductionView | None:
    """The version in production, if there is one."""
    c = snapshot.columns(PRODUCTION)
    row = snapshot.one(PRODUCTION, c.instance == instance, c.number.is_not(None))
    if row is None:
        return None
    return _production_view(row, None, snapshot.facts(FACTS, [row.since]))


def production_history(snapshot: Snapshot, instance: str) -> tuple[ProductionView, ...]:
    """All times in production that began by the moment, oldest first."""
    c = snapshot.columns(PRODUCTION)
    wanted = [c[name] for name in PRODUCTION.columns]
    statement = (
        select(*wanted)
        .where(c.tenant == snapshot.tenant, c.instance == instance)
        .where(c.valid_from <= snapshot.at, c.number.is_not(None))
        .order_by(c.valid_from)
    )
    rows = [(ProductionRow(*row[:-2]), row.valid_to) for row in snapshot.connection.execute(statement)]
    facts = snapshot.facts(FACTS, [p for row, end in rows for p in (row.since, end) if p <= snapshot.at])
    return tuple(_production_view(row, end if end <= snapshot.at else None, facts) for row, end in rows)


def _production_view(row: ProductionRow, end: int | None, facts: dict[int, Fact]) -> ProductionView:
    return ProductionView(
        instance=row.instance,
        number=row.number or 0,
        ref=f"{row.instance}@{row.number}",
        how=cast("Literal['promoted', 'rolled_back']", row.how),
        since=act_view(facts[row.since]),
        until=None if end is None else act_view(facts[end]),
    )


def in_production(snapshot: Snapshot, refs: Sequence[str]) -> tuple[str, ...]:
    """Those of the model versions (`spx-alpha@3`) that are in production, in the order given."""
    rows = snapshot.fetch(
        PRODUCTION, snapshot.rows(PRODUCTION, snapshot.columns(PRODUCTION).number.is_not(None))
    )
    present = {f"{row.instance}@{row.number}" for row in rows}
    return tuple(ref for ref in refs if ref in present)


def following(snapshot: Snapshot, dataset: str) -> tuple[str, ...]:
    """Instances, not archived, whose specification speaks of following this dataset; in order."""
    row, told = snapshot.columns(INSTANCES), snapshot.columns(FACTS)
    statement = (
        snapshot.rows(INSTANCES, row.archived.is_(None))
        .join(told.document.table, told.position == row.specified)
        .with_only_columns(row.name, told.document)
        .order_by(row.name)
    )
    said = f'"after_dataset":"{dataset}"'.encode()
    return tuple(name for name, document in snapshot.connection.execute(statement) if said in document)


def gate_reports(snapshot: Snapshot, target: str) -> tuple[GateReportView, ...]:
    """All verdicts on a target, oldest first."""
    c = snapshot.columns(GATES)
    rows = snapshot.fetch(GATES, snapshot.rows(GATES, c.target == target).order_by(c.position))
    quotes = _Quotes(snapshot, [row.position for row in rows])
    return tuple(
        GateReportView(report=_gated(quotes.document(row.position)).report, act=quotes.act(row.position))
        for row in rows
    )
