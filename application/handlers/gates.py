"""Gates as the handlers use them: the contracts of the definition, judged on what is known of a target."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from application.bus import blocked, overrides
from application.context import Context, write
from application.handlers import stated_inputs
from application.handlers.decisions import last_decision
from application.handlers.facts import load_definition, refuse_external
from application.ports import Loaded, StreamCheck, StreamWrite
from domain.guardrails.definition_gate import judge_definition
from domain.guardrails.events import GateReport, GuardrailEvaluated
from domain.guardrails.gates import Gate, Space, evaluate, overridden, warned
from domain.guardrails.history import with_restated, with_survivors, with_universe
from domain.guardrails.measurements import Measurements
from domain.guardrails.stated import ON_SESSIONS, WITH_A_MOMENT, WITHOUT_A_MOMENT, stated
from domain.ml_module_def.commands import RecordEvaluation
from domain.ml_module_def.decider import DefinitionVersion
from domain.model_instance.specification import Specification
from domain.model_version import decider as versions
from domain.run.events import RunSubmitted
from domain.shared.activity import StreamKey
from domain.shared.command import Command
from domain.shared.references import DefinitionRef


def judged(
    context: Context,
    ref: DefinitionRef,
    gate: Gate,
    target: str,
    measurements: Measurements | None,
    metrics: dict[str, float] | None,
    space: Space,
) -> GateReport:
    """Judge by the contracts of a definition version (frozen with its bytes, so no check is needed); a
    deprecated one is a warning at each gate.
    """
    known = _definition(context, ref)
    report = evaluate(gate, target, known.manifest.contracts, measurements, metrics, space)
    return _with_deprecation(report, ref, known)


def definition_gate(known: DefinitionVersion, command: RecordEvaluation) -> GateReport | None:
    """Judge the contracts of a package whose code passed; None: there are none, or it failed already."""
    manifest = known.manifest
    if command.verdict != "passed" or not manifest.contracts:
        return None
    target = f"ml_module_def:{manifest.name}@{manifest.version}"
    roles = [one.role for one in manifest.inputs]
    return judge_definition(target, manifest.contracts, command.output_columns, roles)


def version_gate(
    context: Context,
    gate: Literal["version_promote", "instance_update"],
    state: versions.State,
    instance: str,
    number: int,
    space: Space,
) -> GateReport:
    """Judge a model version by its metrics. Raises InstanceExternalRefused beside what cannot be loaded."""
    registered = versions.loadable(state, instance, number)
    refuse_external(registered, space)
    target = f"model_version:{instance}@{number}"
    report = judged(context, registered.definition, gate, target, None, registered.metrics, space)
    if space != "official":
        return report
    known = _definition(context, registered.definition)
    inputs = stated_inputs.declared(context, ((one.role, one.dataset) for one in registered.inputs))
    free = known.manifest.scale_free_roles
    return with_restated(report, inputs, registered.reading.history, free, space)


def completion_gate(
    context: Context,
    run: RunSubmitted,
    measurements: Measurements | None,
    metrics: dict[str, float],
    space: Space,
) -> GateReport:
    """Judge the output of a run: a training by its metrics, an inference by what was measured on its rows."""
    is_training = run.kind == "training"
    nothing = Measurements(rows=0, items=())
    report = judged(
        context,
        run.definition,
        "run_complete",
        f"{run.kind}_run:{run.run_id}",
        None if is_training else (measurements or nothing),
        metrics if is_training else None,
        space,
    )
    return report if is_training else with_universe(report, measurements)


def instance_gate(
    context: Context,
    gate: Literal["instance_create", "instance_update"],
    name: str,
    specification: Specification,
) -> tuple[GateReport | None, Sequence[StreamCheck]]:
    """Judge what an instance binds by what its datasets declare and hold, and the streams that this relies
    on; None: there is nothing to judge.
    """
    known = _definition(context, specification.definition)
    contracts = [one for one in known.manifest.contracts if one.kind in WITHOUT_A_MOMENT]
    on_sessions = any(one.kind in ON_SESSIONS for one in contracts)
    inputs, checks = (
        stated_inputs.of_instance(context, specification, on_sessions=on_sessions) if contracts else ({}, ())
    )
    judgeable, figures = stated(contracts, inputs, None)
    report = evaluate(gate, f"model_instance:{name}", judgeable, figures, None, specification.space)
    bindings = (*specification.training_datasets, *specification.inference_datasets)
    bound = ((one.role or one.dataset, one.dataset) for one in bindings)
    report = _with_history(context, report, known, bound, specification.config.history, specification.space)
    return _unless_empty(context, _with_deprecation(report, specification.definition, known)), checks


def submission_gate(context: Context, run: RunSubmitted, space: Space) -> GateReport | None:
    """Judge what a training or an inference would read, at its last decision, and the age of its model; None:
    there is nothing to judge. The pins check the streams that this relies on.
    """
    if run.kind == "monitoring":
        return None
    known = _definition(context, run.definition)
    contracts = [one for one in known.manifest.contracts if one.kind in WITH_A_MOMENT]
    moment = min(last_decision(run, context), run.as_of) if contracts else run.as_of
    on_sessions = any(one.kind in ON_SESSIONS for one in contracts)
    inputs = stated_inputs.of_run(context, run, moment, on_sessions=on_sessions) if contracts else {}
    age = None if run.model is None else (run.as_of - run.model.trained_as_of) / timedelta(days=1)
    judgeable, figures = stated(contracts, inputs, run.kind, age)
    report = evaluate("run_submit", f"{run.kind}_run:{run.run_id}", judgeable, figures, None, space)
    bound = ((one.role, one.dataset) for one in run.inputs if one.use == "input")
    report = _with_history(context, report, known, bound, run.config.history, space)
    return _unless_empty(context, _with_deprecation(report, run.definition, known))


def let_pass(
    context: Context,
    command: Command,
    report: GateReport | None,
    stream: StreamKey,
    loaded: Loaded[Any],
    checks: Sequence[StreamCheck] = (),
    before: Sequence[StreamWrite] = (),
    answered_by: str | None = None,
) -> tuple[GuardrailEvaluated, ...]:
    """The report as an event, for what goes on; the sender answers for what he overrides, or who did so
    before (`answered_by`).

    One that blocks is recorded alone, in this stream and as of what it is about, behind the reports of gates
    that passed `before`. Raises GuardrailBlocked.
    """
    if report is None:
        return ()
    principal = context.principal if overrides(command) else answered_by
    if principal is not None:
        report = overridden(report, principal)
    if report.enforced_as != "blocked":
        return (GuardrailEvaluated(report=report),)
    kept = msgspec.structs.replace(report, target=f"{stream.resource_type}:{stream.name}")
    context.append(*before, write(stream, loaded, (GuardrailEvaluated(report=kept),)), checks=checks)
    raise blocked(kept)


def _definition(context: Context, ref: DefinitionRef) -> DefinitionVersion:
    loaded, _ = load_definition(context, ref.name)
    return loaded.state.version(ref.name, ref.version)


def _with_history(
    context: Context,
    report: GateReport,
    known: DefinitionVersion,
    bound: Iterable[tuple[str, str]],
    history: str,
    space: Space,
) -> GateReport:
    """What the bound datasets declare of their history needs no contract."""
    inputs = stated_inputs.declared(context, bound)
    report = with_restated(report, inputs, history, known.manifest.scale_free_roles, space)
    return with_survivors(report, inputs)


def _with_deprecation(report: GateReport, ref: DefinitionRef, known: DefinitionVersion) -> GateReport:
    if not known.deprecated:
        return report
    return warned(report, "definition.deprecated", f"the definition {ref} is deprecated")


def _unless_empty(context: Context, report: GateReport) -> GateReport | None:
    """A gate that had nothing to judge leaves no event; who asks with a dry run is told so by its report."""
    return report if report.contracts or report.issues or context.dry_run else None
