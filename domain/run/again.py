"""Runs that are done again: a retry makes what the first one did not, a reproduction only compares."""

from collections.abc import Mapping

import msgspec

from domain.run.commands import CompleteRun
from domain.run.decider import State, existing
from domain.run.errors import RunNotReproducible, RunNotRetryable
from domain.run.events import RunCompleted, RunDifference, RunReproduced, RunStarted, RunSubmitted
from domain.run.folds import BACKFILL

_REPRODUCE = "reproduce:"


def is_reserved(trigger: str) -> bool:
    """Whether only the service may give a run this trigger."""
    return trigger.startswith(_REPRODUCE)


def reproduced_run(trigger: str) -> str | None:
    """The run that a run with this trigger does again; None for every other."""
    return trigger.removeprefix(_REPRODUCE) if is_reserved(trigger) else None


def retry(state: State, run_id: str, new_id: str) -> RunSubmitted:
    """The failed run once more, as it was pinned. Raises RunUnknown, RunNotRetryable."""
    run = existing(state, run_id)
    if state.status not in ("failed", "cancelled"):
        raise RunNotRetryable(f"the {run.kind} run {run_id} is {state.status}", state=state.status)
    return msgspec.structs.replace(run, run_id=new_id, retry_of=run_id)


def reproduction(state: State, run_id: str, new_id: str) -> RunSubmitted:
    """The completed training once more, as it was pinned. Raises RunUnknown, RunNotReproducible."""
    run = existing(state, run_id)
    if run.kind != "training" or state.status != "completed":
        raise RunNotReproducible(f"the {run.kind} run {run_id} is {state.status}", state=state.status)
    if run.executor == "external":
        raise RunNotReproducible(f"the run {run_id} was done elsewhere: its code was never recorded")
    if is_reserved(run.trigger):
        raise RunNotReproducible(f"the run {run_id} is a reproduction itself: name {run.trigger}")
    return msgspec.structs.replace(run, run_id=new_id, retry_of=None, trigger=_REPRODUCE + run_id)


def compare(
    recorded: RunCompleted, again: CompleteRun, then: RunStarted | None, now: RunStarted | None
) -> RunReproduced:
    """What came of a reproduction. Hash and metrics have to be equal, to the last bit."""
    first = recorded.artifact.sha256 if recorded.artifact else None
    second = again.artifact.sha256 if again.artifact else None
    metrics = _differences("metric", recorded.metrics, again.metrics)
    artifact = () if first == second else (_difference("artifact", first, second),)
    return RunReproduced(
        run_id=recorded.run_id,
        instance=recorded.instance,
        by_run=again.run_id,
        verdict="differs" if artifact or metrics else "equal",
        equal_artifact=not artifact,
        equal_metrics=not metrics,
        differences=(*artifact, *metrics),
        environment=_environment(then, now),
    )


def _environment(then: RunStarted | None, now: RunStarted | None) -> tuple[RunDifference, ...]:
    """Other versions of distributions. Where one of the two was not recorded, nothing can be said."""
    if then is None or now is None:
        return ()
    return _differences("distribution", then.distributions, now.distributions)


def _differences(
    kind: str, one: Mapping[str, float | str], other: Mapping[str, float | str]
) -> tuple[RunDifference, ...]:
    return tuple(
        _difference(f"{kind} {name}", one.get(name), other.get(name))
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    )


def _difference(what: str, recorded: object, reproduced: object) -> RunDifference:
    """Numbers by `repr`, which tells every bit of a float."""
    return RunDifference(what=what, recorded=_text(recorded), reproduced=_text(reproduced))


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else repr(value)


def tells_the_past_again(run: RunSubmitted) -> bool:
    """Whether a run belongs to a backfill, a refit or a reproduction: nothing is due because of it."""
    return run.refit or run.trigger.startswith(BACKFILL) or is_reserved(run.trigger)
