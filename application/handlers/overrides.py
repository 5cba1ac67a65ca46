"""What an operator let pass stays passed where it goes on: a run done again, the predictions of a block.

Both are as they were pinned or asked for when the operator answered for them; who sends them does not matter.
"""

from msgspec import UNSET

from application.context import Context
from application.handlers.facts import load_version
from domain.guardrails.events import GuardrailEvaluated
from domain.model_instance import decider as instances
from domain.run import decider as runs
from domain.run.events import RunSubmitted
from domain.run.folds import block_of


def who_answers_for(context: Context, run_id: str) -> str | None:
    """Who overrode the gate of this run's submission; None: nobody had to."""
    own = context.services.log.read_stream(context.tenant, runs.stream(run_id))
    submitted = own[0] if own else None
    if submitted is None or not isinstance(submitted.event, RunSubmitted):
        return None
    of_instance = context.services.log.read_stream(context.tenant, instances.stream(submitted.event.instance))
    for one in (*own, *of_instance):
        if one.command_id == submitted.command_id and isinstance(one.event, GuardrailEvaluated):
            return None if one.event.report.overridden_by is UNSET else one.event.report.overridden_by
    return None


def who_answers_for_block(context: Context, run: RunSubmitted) -> str | None:
    """The same of the training that a backfill submitted for the block that this run predicts."""
    if not run.refit or run.model is None or run.decisions is None:
        return None
    version = load_version(context, run.instance, run.model.number).state.registered
    if version is None:
        return None
    stream = runs.stream(version.run_id)
    training = context.load(stream, runs.INITIAL, runs.evolve).state.submitted
    if training is None or block_of(training.trigger) != run.decisions:
        return None
    return who_answers_for(context, version.run_id)
