"""Gates as the handlers use them: the contracts of the definition, judged on what is known of a target."""

from typing import Literal

from application.context import Context
from application.handlers.facts import load_definition, refuse_external
from domain.guardrails.events import GateReport
from domain.guardrails.gates import Gate, Space, evaluate, warned
from domain.guardrails.measurements import Measurements
from domain.model_version import decider as versions
from domain.run.events import RunSubmitted
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
    loaded, _ = load_definition(context, ref.name)
    known = loaded.state.version(ref.name, ref.version)
    report = evaluate(gate, target, known.manifest.contracts, measurements, metrics, space)
    if not known.deprecated:
        return report
    return warned(report, "definition.deprecated", f"the definition {ref} is deprecated")


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
    return judged(context, registered.definition, gate, target, None, registered.metrics, space)


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
    return judged(
        context,
        run.definition,
        "run_complete",
        f"{run.kind}_run:{run.run_id}",
        None if is_training else (measurements or nothing),
        metrics if is_training else None,
        space,
    )
