"""Gates as the handlers use them: the contracts of the definition, judged on what is known of a target."""

from typing import Literal

from application.context import Context
from application.handlers.facts import load_definition
from domain.guardrails.contracts import Contract
from domain.guardrails.events import GateReport
from domain.guardrails.gates import evaluate
from domain.guardrails.measurements import Measurements
from domain.model_version import decider as versions
from domain.run.events import RunSubmitted
from domain.shared.references import DefinitionRef

Space = Literal["staging", "official"]


def contracts_of(context: Context, ref: DefinitionRef) -> tuple[Contract, ...]:
    """The contracts that a definition version carries; frozen with its bytes, so no check is needed."""
    loaded, _ = load_definition(context, ref.name)
    return loaded.state.version(ref.name, ref.version).manifest.contracts


def version_gate(
    context: Context,
    gate: Literal["version_promote", "instance_update"],
    state: versions.State,
    instance: str,
    number: int,
    space: Space,
) -> GateReport:
    """Judge a model version by its metrics."""
    registered = versions.loadable(state, instance, number)
    return evaluate(
        gate,
        f"model_version:{instance}@{number}",
        contracts_of(context, registered.definition),
        None,
        registered.metrics,
        space,
    )


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
    return evaluate(
        "run_complete",
        f"{run.kind}_run:{run.run_id}",
        contracts_of(context, run.definition),
        None if is_training else (measurements or nothing),
        metrics if is_training else None,
        space,
    )
