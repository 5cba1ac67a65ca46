"""Decisions about a definition, all versions of one name.

Each version:  submitted ──passed──> passed ──> published ──> deprecated
                   ^  └─failed──> failed ─┐        (passed may be deprecated too)
                   └──other bytes, or again┘
"""

from typing import Any, Literal, assert_never

import msgspec

from domain.guardrails.events import GateReport
from domain.ml_module_def.commands import RecordEvaluation
from domain.ml_module_def.compatibility import Promised, baseline, number_of, problem
from domain.ml_module_def.errors import (
    DefinitionNotEvaluated,
    DefinitionNotPassed,
    DefinitionNotPublished,
    DefinitionUnknown,
    DefinitionVersionDeprecated,
    DefinitionVersionExists,
)
from domain.ml_module_def.events import (
    Check,
    DefinitionDeprecated,
    DefinitionEvaluated,
    DefinitionPublished,
    DefinitionSubmitted,
)
from domain.ml_module_def.manifest import Manifest
from domain.shared.activity import Event, StreamKey

DefinitionEvent = DefinitionSubmitted | DefinitionEvaluated | DefinitionPublished | DefinitionDeprecated


class DefinitionVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version as decisions need it."""

    manifest: Manifest
    submitter: str
    state: Literal["submitted", "passed", "failed"] = "submitted"
    published: bool = False
    deprecated: bool = False
    hyper_parameter_schema: dict[str, Any] = {}
    output_columns: dict[str, str] = {}


class State(msgspec.Struct, frozen=True):
    """All versions of a definition by version text."""

    versions: dict[str, DefinitionVersion] = {}

    def version(self, name: str, version: str) -> DefinitionVersion:
        """One version; raises DefinitionUnknown."""
        found = self.versions.get(version)
        if found is None:
            raise DefinitionUnknown(f"there is no definition {name}@{version}")
        return found


INITIAL = State()


def stream(name: str) -> StreamKey:
    """The stream of a definition name."""
    return StreamKey("ml_module_def", name)


def submit(state: State, manifest: Manifest, submitter: str) -> tuple[Event, ...]:
    """Hand in a package. The same bytes again change nothing; other bytes only after a failure."""
    known = state.versions.get(manifest.version)
    if known is None:
        return (DefinitionSubmitted(manifest=manifest, submitter=submitter),)
    if known.manifest.package_sha256 == manifest.package_sha256:
        return ()
    if known.state != "failed":
        raise DefinitionVersionExists(
            f"{manifest.name}@{manifest.version} was submitted with other bytes and is {known.state}",
            package_sha256=known.manifest.package_sha256,
        )
    return (DefinitionSubmitted(manifest=manifest, submitter=submitter),)


def evaluate(state: State, name: str, version: str) -> tuple[Event, ...]:
    """Have a failed version evaluated again, still as its submitter's; under way or passed: nothing."""
    known = state.version(name, version)
    if known.state != "failed":
        return ()
    return (DefinitionSubmitted(manifest=known.manifest, submitter=known.submitter),)


def record_evaluation(
    state: State, command: RecordEvaluation, gate: GateReport | None = None
) -> tuple[Event, ...]:
    """Record a verdict on the bytes that are waiting for one; a late or repeated verdict changes nothing. A
    blocked gate makes it a failure, and so does a version number that is too low for what changed.
    """
    known = state.version(command.name, command.version)
    if known.state != "submitted" or known.manifest.package_sha256 != command.package_sha256:
        return ()
    command = _against_published(state, known, command)
    if gate is not None:
        command = _behind_gate(command, gate)
    return (
        DefinitionEvaluated(
            name=command.name,
            version=command.version,
            package_sha256=command.package_sha256,
            verdict=command.verdict,
            sandbox_level=command.sandbox_level,
            checks=command.checks,
            report_sha256=command.report_sha256,
            hyper_parameter_schema=command.hyper_parameter_schema,
            output_columns=command.output_columns,
        ),
    )


def _behind_gate(command: RecordEvaluation, gate: GateReport) -> RecordEvaluation:
    """The evaluation with the gate as one more check."""
    passed = gate.enforced_as != "blocked"
    issues = "; ".join(issue.message for issue in gate.issues)
    detail = issues or f"contracts that hold: {len(gate.contracts)}"
    return _with_check(command, "contracts", detail, ok=passed)


def _against_published(state: State, known: DefinitionVersion, command: RecordEvaluation) -> RecordEvaluation:
    """The evaluation with the version number as one more check, where there is a published version before."""
    if command.verdict != "passed":
        return command
    new = Promised(known.manifest, command.output_columns)
    others = [one for one in state.versions.values() if one is not known]
    base = baseline(new, (Promised(one.manifest, one.output_columns) for one in others if one.published))
    if base is None:
        return command
    taken = [number_of(one.manifest.version) for one in others if one.state != "failed"]
    found = problem(new, base, taken)
    detail = found or f"{command.version} keeps what {base.manifest.version} promises"
    return _with_check(command, "version", detail, ok=found is None)


def _with_check(command: RecordEvaluation, name: str, detail: str, *, ok: bool) -> RecordEvaluation:
    """One more check; one that does not hold fails the evaluation."""
    checks = (*command.checks, Check(name=name, ok=ok, seconds=0.0, detail=detail[:2000]))
    if ok:
        return msgspec.structs.replace(command, checks=checks)
    return msgspec.structs.replace(
        command, verdict="failed", checks=checks, hyper_parameter_schema={}, output_columns={}
    )


def publish(state: State, name: str, version: str) -> tuple[Event, ...]:
    """Share a version that passed; published already: nothing."""
    known = _passed(state, name, version)
    if known.deprecated:
        raise DefinitionVersionDeprecated(f"{name}@{version} is deprecated")
    return () if known.published else (DefinitionPublished(name=name, version=version),)


def deprecate(state: State, name: str, version: str) -> tuple[Event, ...]:
    """Stop new use of a version that passed; deprecated already: nothing."""
    known = _passed(state, name, version)
    return () if known.deprecated else (DefinitionDeprecated(name=name, version=version),)


def usable(state: State, name: str, version: str, *, principal: str, space: str) -> DefinitionVersion:
    """The version, if an instance of `principal` in `space` may take it; raises the rule that forbids it."""
    known = _passed(state, name, version)
    if known.deprecated:
        raise DefinitionVersionDeprecated(f"{name}@{version} is deprecated")
    if not known.published and (space != "staging" or known.submitter != principal):
        raise DefinitionNotPublished(f"{name}@{version} is not published", submitter=known.submitter)
    return known


def _passed(state: State, name: str, version: str) -> DefinitionVersion:
    known = state.version(name, version)
    if known.state == "submitted":
        raise DefinitionNotEvaluated(f"{name}@{version} is still being evaluated")
    if known.state == "failed":
        raise DefinitionNotPassed(f"{name}@{version} failed its evaluation")
    return known


def evolve(state: State, event: Event) -> State:
    """Fold one event; total and never raising. Events of other rules (gate reports) change nothing."""
    if not isinstance(event, DefinitionEvent):
        return state
    match event:
        case DefinitionSubmitted(manifest=manifest):
            return _with(
                state,
                manifest.version,
                DefinitionVersion(manifest=manifest, submitter=event.submitter),
            )
        case DefinitionEvaluated():
            return _change(
                state,
                event.version,
                state="passed" if event.verdict == "passed" else "failed",
                hyper_parameter_schema=event.hyper_parameter_schema,
                output_columns=event.output_columns,
            )
        case DefinitionPublished():
            return _change(state, event.version, published=True)
        case DefinitionDeprecated():
            return _change(state, event.version, deprecated=True)
        case _:
            assert_never(event)


def _with(state: State, version: str, new: DefinitionVersion) -> State:
    return State({**state.versions, version: new})


def _change(state: State, version: str, /, **changes: Any) -> State:
    known = state.versions.get(version)
    return state if known is None else _with(state, version, msgspec.structs.replace(known, **changes))
