"""Use cases of definitions."""

from application.context import Context, write
from application.handlers.gates import definition_gate
from application.ports import Outcome
from domain.guardrails.events import GuardrailEvaluated
from domain.ml_module_def import decider
from domain.ml_module_def.commands import (
    DeprecateDefinition,
    EvaluateDefinition,
    PublishDefinition,
    RecordEvaluation,
    SubmitDefinition,
)


def submit_definition(command: SubmitDefinition, context: Context) -> Outcome:
    """Pin a stored package as a definition version; its evaluation follows."""
    manifest = context.services.packages.inspect(command.package_sha256)
    stream = decider.stream(manifest.name)
    loaded = context.load(stream, decider.INITIAL, decider.evolve)
    return context.append(write(stream, loaded, decider.submit(loaded.state, manifest, context.principal)))


def evaluate_definition(command: EvaluateDefinition, context: Context) -> Outcome:
    """Have a failed version evaluated again."""
    stream = decider.stream(command.name)
    loaded = context.load(stream, decider.INITIAL, decider.evolve)
    events = decider.evaluate(loaded.state, command.name, command.version)
    return context.append(write(stream, loaded, events))


def record_evaluation(command: RecordEvaluation, context: Context) -> Outcome:
    """Record the verdict of the evaluation process, behind the report of the gate that it has to pass."""
    stream = decider.stream(command.name)
    loaded = context.load(stream, decider.INITIAL, decider.evolve)
    gate = definition_gate(loaded.state.version(command.name, command.version), command)
    events = decider.record_evaluation(loaded.state, command, gate)
    judged = () if gate is None or not events else (GuardrailEvaluated(report=gate),)
    return context.append(write(stream, loaded, (*judged, *events)))


def publish_definition(command: PublishDefinition, context: Context) -> Outcome:
    """Share a version that passed."""
    stream = decider.stream(command.name)
    loaded = context.load(stream, decider.INITIAL, decider.evolve)
    return context.append(write(stream, loaded, decider.publish(loaded.state, command.name, command.version)))


def deprecate_definition(command: DeprecateDefinition, context: Context) -> Outcome:
    """Stop new use of a version."""
    stream = decider.stream(command.name)
    loaded = context.load(stream, decider.INITIAL, decider.evolve)
    return context.append(
        write(stream, loaded, decider.deprecate(loaded.state, command.name, command.version))
    )
