"""Use cases of runs: submission pins, one worker starts, one append completes."""

from collections.abc import Sequence

from application.context import Context, check, write
from application.errors import ArtifactMissing
from application.handlers.decisions import SIMULATED_AFTER, last_decision
from application.handlers.facts import load_dataset, load_instance
from application.handlers.gates import completion_gate, let_pass, submission_gate
from application.handlers.overrides import who_answers_for, who_answers_for_block
from application.handlers.pins import pin
from application.ports import Loaded, Outcome, PreparedVersion, StreamCheck, StreamWrite
from domain.dataset import decider as datasets
from domain.guardrails.events import GateReport, GuardrailEvaluated
from domain.model_instance import decider as instances
from domain.model_version import decider as versions
from domain.model_version.events import FeatureReading, VersionInput, VersionRegistered
from domain.run import decider
from domain.run.again import compare, is_reserved, reproduced_run, reproduction, retry
from domain.run.commands import (
    CancelRun,
    CompleteRun,
    FailRun,
    LogMetrics,
    ReproduceRun,
    RetryRun,
    StartRun,
    SubmitRun,
)
from domain.run.errors import RunInstanceClosed, RunTriggerReserved
from domain.run.events import RunCompleted, RunStarted, RunSubmitted
from domain.shared.activity import Event, RecordedEvent


def submit_run(command: SubmitRun, context: Context) -> Outcome:
    """Pin what the run depends on and, unless its gate blocks, put it among the pending ones."""
    if is_reserved(command.trigger):
        raise RunTriggerReserved(f"the trigger {command.trigger!r} is the service's own")
    instance = load_instance(context, command.instance)
    run, checks = pin(command, instance.state, context)
    return _submitted(command, context, run, instance, checks, who_answers_for_block(context, run))


def retry_run(command: RetryRun, context: Context) -> Outcome:
    """A failed run once more, as it was pinned, behind the same gate."""
    loaded = _load(context, command.run_id)
    run = retry(loaded.state, command.run_id, context.services.ids.run_id())
    instance = load_instance(context, run.instance)
    instances.open_for_change(instance.state, run.instance)
    return _submitted(command, context, run, instance, (), who_answers_for(context, command.run_id))


def _submitted(
    command: SubmitRun | RetryRun,
    context: Context,
    run: RunSubmitted,
    instance: Loaded[instances.State],
    checks: Sequence[StreamCheck],
    answered_by: str | None,
) -> Outcome:
    """The pending run and its gate's report; or, blocked, only the report, which is then its instance's."""
    owner = instances.stream(run.instance)
    fresh = _load(context, run.run_id)
    events = decider.submit(fresh.state, run)
    report = submission_gate(context, run, instances.existing(instance.state, run.instance).space)
    judged = let_pass(context, command, report, owner, instance, checks, answered_by=answered_by)
    submitted = write(decider.stream(run.run_id), fresh, (*events, *judged))
    return context.append(submitted, checks=[*checks, check(owner, instance)])


def reproduce_run(command: ReproduceRun, context: Context) -> Outcome:
    """A completed training once more, as it was pinned; an archived instance's too."""
    loaded = _load(context, command.run_id)
    run = reproduction(loaded.state, command.run_id, context.services.ids.run_id())
    fresh = _load(context, run.run_id)
    submitted = write(decider.stream(run.run_id), fresh, decider.submit(fresh.state, run))
    return context.append(submitted, checks=[check(decider.stream(command.run_id), loaded)])


def start_run(command: StartRun, context: Context) -> Outcome:
    """One worker claims a pending run; an archived instance starts nothing more."""
    loaded = _load(context, command.run_id)
    events = decider.start(loaded.state, command)
    run = decider.existing(loaded.state, command.run_id)
    instance = load_instance(context, run.instance)
    if instance.state.archived and not is_reserved(run.trigger):
        raise RunInstanceClosed(f"the instance {run.instance} is archived")
    unchanged = check(instances.stream(run.instance), instance)
    return context.append(write(decider.stream(command.run_id), loaded, events), checks=[unchanged])


def log_metrics(command: LogMetrics, context: Context) -> Outcome:
    """Record metric points in their own stream; the run must be running when they are recorded."""
    loaded = _load(context, command.run_id)
    events = decider.log_metrics(loaded.state, command)
    stream = decider.metrics_stream(command.run_id)
    points = context.load(stream, None, _keep)
    return context.append(
        write(stream, points, events), checks=[check(decider.stream(command.run_id), loaded)]
    )


def _keep(state: None, _event: Event) -> None:
    """The points decide nothing: only the stream's version is asked for."""
    return state


def complete_run(command: CompleteRun, context: Context) -> Outcome:
    """Gate, outputs and end in one append."""
    loaded = _load(context, command.run_id)
    run = decider.running(loaded.state, command.run_id)
    decider.check_output(run, command)
    original = reproduced_run(run.trigger)
    if original is not None:
        return _complete_reproduction(command, context, original, loaded)
    if run.kind == "training":
        return _complete_training(command, context, run, loaded)
    if run.kind == "inference":
        return _complete_inference(command, context, run, loaded)
    events = decider.complete(loaded.state, command, model_version=None, dataset_version=None)
    return context.append(write(decider.stream(run.run_id), loaded, events))


def _complete_training(
    command: CompleteRun, context: Context, run: RunSubmitted, loaded: Loaded[decider.State]
) -> Outcome:
    """The version is always registered: in staging if the gate passed, else in none."""
    instance = load_instance(context, run.instance)
    space = instances.existing(instance.state, run.instance).space
    report = completion_gate(context, run, None, command.metrics, space)
    number, numbered = instances.number_version(instance.state, run.instance, run.run_id)
    registered = _registered(command, context, run, number, passed=report.ok)
    events = decider.complete(loaded.state, command, model_version=number, dataset_version=None)
    return context.append(
        StreamWrite(decider.stream(run.run_id), loaded.version, (GuardrailEvaluated(report=report), *events)),
        StreamWrite(versions.stream(run.instance, number), 0, (registered,)),
        write(instances.stream(run.instance), instance, numbered),
    )


def _complete_reproduction(
    command: CompleteRun, context: Context, original: str, loaded: Loaded[decider.State]
) -> Outcome:
    """The verdict goes beside what it is about; no version is made and no gate is passed."""
    former = _load(context, original)
    told = [one.event for one in _told(context, original)]
    recorded = next(event for event in told if isinstance(event, RunCompleted))
    then = next((event for event in told if isinstance(event, RunStarted)), None)
    now = next(
        (one.event for one in _told(context, command.run_id) if isinstance(one.event, RunStarted)), None
    )
    events = decider.complete(loaded.state, command, model_version=None, dataset_version=None)
    return context.append(
        StreamWrite(decider.stream(command.run_id), loaded.version, events),
        StreamWrite(decider.stream(original), former.version, (compare(recorded, command, then, now),)),
    )


def _told(context: Context, run_id: str) -> Sequence[RecordedEvent]:
    return context.services.log.read_stream(context.tenant, decider.stream(run_id))


def _registered(
    command: CompleteRun, context: Context, run: RunSubmitted, number: int, *, passed: bool
) -> VersionRegistered:
    artifact = command.artifact
    if artifact is None or not context.services.artifacts.has(artifact.sha256):
        raise ArtifactMissing(f"the artifact {artifact and artifact.sha256} was not stored")
    config = run.config
    return VersionRegistered(
        instance=run.instance,
        number=number,
        run_id=run.run_id,
        definition=run.definition,
        package_sha256=run.package_sha256,
        artifact_sha256=artifact.sha256,
        artifact_bytes=artifact.size_bytes,
        artifact_format=artifact.format,
        metrics=dict(sorted(command.metrics.items())),
        hyper_parameters=config.hyper_parameters,
        inputs=tuple(
            VersionInput(dataset=one.dataset, version=one.version, role=one.role)
            for one in run.inputs
            if one.use == "input"
        ),
        reading=FeatureReading(
            target_col=config.target_col,
            feature_cols=config.feature_cols,
            feature_lag=config.feature_lag,
            horizon=config.horizon,
            calendar=config.calendar,
            decision_time=config.decision_time,
            history=config.history,
            max_age=config.max_age,
        ),
        trained_as_of=run.as_of,
        stage="staging" if passed else "none",
        external=run.executor == "external",
        refit=run.refit,
    )


def _complete_inference(
    command: CompleteRun, context: Context, run: RunSubmitted, loaded: Loaded[decider.State]
) -> Outcome:
    """Blocked: the run fails and no version exists. Warned or passed: the rows become the next version."""
    instance = load_instance(context, run.instance)
    space = instances.existing(instance.state, run.instance).space
    report = completion_gate(context, run, command.measurements, command.metrics, space)
    if report.enforced_as == "blocked":
        unchanged = check(instances.stream(run.instance), instance)
        return _fail_blocked(command, context, report, loaded, unchanged)
    dataset = load_dataset(context, run.output_dataset)
    created = datasets.writable(dataset.state, run.output_dataset, instance=run.instance)
    now = context.services.clock.now()
    prepared = context.services.datasets.prepare(
        created.declaration,
        dataset.state.newest_facts(),
        context.services.artifacts.checked_path(command.output_sha256 or ""),
        "application/vnd.apache.parquet",
        written_at=now,
        backfill=None,
    )
    number, written = (None, ()) if prepared is None else _written(dataset, run, prepared, context)
    events = decider.complete(loaded.state, command, model_version=None, dataset_version=number)
    judged = GuardrailEvaluated(report=report)
    return context.append(
        StreamWrite(decider.stream(run.run_id), loaded.version, (judged, *events)),
        write(datasets.stream(run.output_dataset), dataset, written),
        checks=[check(instances.stream(run.instance), instance)],
    )


def _written(
    dataset: Loaded[datasets.State], run: RunSubmitted, prepared: PreparedVersion, context: Context
) -> tuple[int, tuple[Event, ...]]:
    late = context.services.clock.now() - last_decision(run, context) > SIMULATED_AFTER
    return datasets.write(
        dataset.state,
        run.output_dataset,
        files=prepared.files,
        facts=prepared.facts,
        backfill=prepared.backfill,
        run_id=run.run_id,
        simulated=late,
    )


def _fail_blocked(
    command: CompleteRun,
    context: Context,
    report: GateReport,
    loaded: Loaded[decider.State],
    unchanged: StreamCheck,
) -> Outcome:
    reasons = "; ".join(issue.message for issue in report.issues if issue.severity == "error")
    failure = FailRun(
        run_id=command.run_id, code="guardrail.blocked", message=reasons[:4000], log_sha256=command.log_sha256
    )
    events = decider.fail(loaded.state, failure)
    judged = GuardrailEvaluated(report=report)
    ended = StreamWrite(decider.stream(command.run_id), loaded.version, (judged, *events))
    return context.append(ended, checks=[unchanged])


def fail_run(command: FailRun, context: Context) -> Outcome:
    """End a run without a result."""
    loaded = _load(context, command.run_id)
    return context.append(write(decider.stream(command.run_id), loaded, decider.fail(loaded.state, command)))


def cancel_run(command: CancelRun, context: Context) -> Outcome:
    """End a run at once; a policy kills its process."""
    loaded = _load(context, command.run_id)
    return context.append(
        write(decider.stream(command.run_id), loaded, decider.cancel(loaded.state, command.run_id))
    )


def _load(context: Context, run_id: str) -> Loaded[decider.State]:
    return context.load(decider.stream(run_id), decider.INITIAL, decider.evolve)
