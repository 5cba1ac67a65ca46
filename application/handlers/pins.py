"""What a run pins at submission: definition, config, dataset versions, model version, `as_of`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from application.context import Context, check
from application.handlers.facts import (
    check_hyper_parameters,
    check_roles,
    load_dataset,
    load_definition,
    load_version,
)
from application.ports import StreamCheck
from domain.dataset import decider as datasets
from domain.model_instance import decider as instances
from domain.model_instance.errors import InstanceExternalRefused
from domain.model_instance.specification import Config, DatasetBinding, Specification
from domain.model_version import decider as versions
from domain.model_version.events import VersionRegistered
from domain.point_in_time import check_model_known, decision_time
from domain.run.commands import SubmitRun
from domain.run.errors import RunDecisionsInvalid, RunExecutorInvalid, RunInputsInvalid
from domain.run.events import RunSubmitted
from domain.run.pins import DateRange, PinnedConfig, PinnedInput, PinnedLimits, PinnedModel
from domain.shared.errors import AsOfInFuture

PREDICTIONS = "predictions"
OUTCOMES = "outcomes"


def pin(
    command: SubmitRun, state: instances.State, context: Context
) -> tuple[RunSubmitted, list[StreamCheck]]:
    """Everything that the run may depend on, and the streams that must not move until it is recorded."""
    specification = instances.open_for_change(state, command.instance)
    as_of = _as_of(command, context)
    _check_shape(command, specification)
    if command.kind == "training":
        return _training(command, specification, state, as_of, context)
    return _with_model(command, specification, state, as_of, context)


def _as_of(command: SubmitRun, context: Context) -> datetime:
    now = context.services.clock.now()
    as_of = command.as_of or now
    if as_of > now:
        raise AsOfInFuture(f"as_of {as_of.isoformat()} is later than now")
    return as_of


def _check_shape(command: SubmitRun, specification: Specification) -> None:
    ranged = (command.first, command.last)
    if (command.first is None) != (command.last is None) or (any(ranged) and command.kind != "inference"):
        raise RunDecisionsInvalid("`first` and `last` go together, in an inference run")
    if command.first is not None and command.last is not None and command.first > command.last:
        raise RunDecisionsInvalid(f"first {command.first} is after last {command.last}")
    if command.executor == "external" and command.kind != "training":
        raise RunExecutorInvalid(f"a {command.kind} run is not done elsewhere")
    if command.executor == "external" and specification.space == "official":
        raise InstanceExternalRefused(f"{command.instance} is in the space official")
    if command.inputs and command.executor != "external":
        raise RunInputsInvalid("inputs were declared for a run that pins its own")


def _training(
    command: SubmitRun,
    specification: Specification,
    state: instances.State,
    as_of: datetime,
    context: Context,
) -> tuple[RunSubmitted, list[StreamCheck]]:
    ref = specification.definition
    loaded, unchanged = load_definition(context, ref.name)
    known = loaded.state.version(ref.name, ref.version)
    hyper_parameters = {**specification.config.hyper_parameters, **command.params}
    check_hyper_parameters(known, hyper_parameters)
    if command.executor == "external":
        inputs = _declared_inputs(command, context)
    else:
        check_roles(known, specification.training_datasets)
        inputs = _bound_inputs(specification.training_datasets, context)
        inputs += _outcome_input(specification, inputs, context)
    run = _submitted(command, specification, state, as_of, context)
    config = _pinned_config(specification.config, hyper_parameters)
    return run(
        definition=ref, package_sha256=known.manifest.package_sha256, config=config, inputs=inputs, model=None
    ), [unchanged]


def _with_model(
    command: SubmitRun,
    specification: Specification,
    state: instances.State,
    as_of: datetime,
    context: Context,
) -> tuple[RunSubmitted, list[StreamCheck]]:
    number = command.model_version or instances.active_version(state, command.instance)
    loaded = load_version(context, command.instance, number)
    version = versions.loadable(loaded.state, command.instance, number)
    unchanged = check(versions.stream(command.instance, number), loaded)
    if command.kind == "inference":
        inputs = _bound_inputs(specification.inference_datasets, context)
        _check_decisions(command, version, as_of, context)
    else:
        inputs = _monitored_inputs(specification, state.output_dataset, context)
    run = _submitted(command, specification, state, as_of, context)
    model = PinnedModel(
        number=number, artifact_sha256=version.artifact_sha256, trained_as_of=version.trained_as_of
    )
    return run(
        definition=version.definition,
        package_sha256=version.package_sha256,
        config=_config_of_version(version, specification.config),
        inputs=inputs,
        model=model,
    ), [unchanged]


def _submitted(
    command: SubmitRun,
    specification: Specification,
    state: instances.State,
    as_of: datetime,
    context: Context,
) -> Any:
    """RunSubmitted, what does not depend on the kind filled in; the caller adds the rest by keyword."""
    decisions = None
    if command.first is not None and command.last is not None:
        decisions = DateRange(first=command.first, last=command.last)
    limits = PinnedLimits(time_s=specification.limits.time_s, memory_mib=specification.limits.memory_mib)

    def build(**kind_specific: Any) -> RunSubmitted:
        return RunSubmitted(
            run_id=command.run_id or context.services.ids.run_id(),
            kind=command.kind,
            instance=command.instance,
            limits=limits,
            output_dataset=state.output_dataset,
            as_of=as_of,
            decisions=decisions,
            refit=command.refit,
            executor=command.executor,
            trigger=command.trigger,
            retry_of=command.retry_of,
            **kind_specific,
        )

    return build


def _bound_inputs(bindings: Sequence[DatasetBinding], context: Context) -> tuple[PinnedInput, ...]:
    return tuple(
        _pinned(role, binding.dataset, binding.version, "input", context)
        for role, binding in instances.roles(bindings).items()
    )


def _outcome_input(
    specification: Specification, inputs: tuple[PinnedInput, ...], context: Context
) -> tuple[PinnedInput, ...]:
    """The outcome dataset, where it is one of its own: it judges predictions and trains nothing."""
    name = specification.outcome_dataset
    if name is None or any(one.dataset == name for one in inputs):
        return ()
    return (_pinned(OUTCOMES, name, None, "outcome", context),)


def _monitored_inputs(specification: Specification, output: str, context: Context) -> tuple[PinnedInput, ...]:
    """The predictions, and the dataset that holds what came of them: by default the training datasets."""
    predictions = _pinned(PREDICTIONS, output, None, "input", context)
    bound = instances.roles(specification.training_datasets).items()
    outcome = specification.outcome_dataset
    truth = [(role, one) for role, one in bound if outcome is None or one.dataset == outcome]
    if outcome is not None and not truth:
        truth = [(OUTCOMES, DatasetBinding(dataset=outcome))]
    return (
        predictions,
        *(_pinned(role, one.dataset, one.version, "outcome", context) for role, one in truth),
    )


def _pinned(role: str, dataset: str, version: int | None, use: Any, context: Context) -> PinnedInput:
    loaded = load_dataset(context, dataset)
    number = version or datasets.newest(loaded.state, dataset)
    datasets.readable(loaded.state, dataset, number)
    return PinnedInput(dataset=dataset, version=number, role=role, use=use)


def _declared_inputs(command: SubmitRun, context: Context) -> tuple[PinnedInput, ...]:
    return tuple(
        _pinned(declared.role or declared.dataset, declared.dataset, declared.version, "input", context)
        for declared in command.inputs
    )


def _check_decisions(
    command: SubmitRun, version: VersionRegistered, as_of: datetime, context: Context
) -> None:
    """R6 for the first decision: the run repeats it for each row."""
    reading = version.reading
    if command.first is None or command.last is None:
        check_model_known(version.trained_as_of, as_of)
        return
    if reading.calendar is None:
        return
    sessions = context.services.sessions.closes(reading.calendar, command.first, command.last)
    if not sessions:
        raise RunDecisionsInvalid(
            f"{reading.calendar} has no session in {command.first}..{command.last}", calendar=reading.calendar
        )
    day, close = sessions[0]
    check_model_known(
        version.trained_as_of, decision_time(day, close=close, at=reading.decision_time, as_of=as_of)
    )


def _pinned_config(config: Config, hyper_parameters: dict[str, Any]) -> PinnedConfig:
    return PinnedConfig(
        target_col=config.target_col,
        feature_cols=config.feature_cols,
        feature_lag=config.feature_lag,
        horizon=config.horizon,
        train_window=config.train_window,
        calendar=config.calendar,
        decision_time=config.decision_time,
        history=config.history,
        max_age=config.max_age,
        embargo=config.embargo,
        hyper_parameters=hyper_parameters,
    )


def _config_of_version(version: VersionRegistered, present: Config) -> PinnedConfig:
    """Definition, features, lag and history come from the model version, never from the present config."""
    reading = version.reading
    return PinnedConfig(
        target_col=reading.target_col,
        feature_cols=reading.feature_cols,
        feature_lag=reading.feature_lag,
        horizon=reading.horizon,
        train_window=present.train_window,
        calendar=reading.calendar,
        decision_time=reading.decision_time,
        history=reading.history,
        max_age=reading.max_age,
        embargo=present.embargo,
        hyper_parameters=version.hyper_parameters,
    )


SIMULATED_AFTER = timedelta(hours=24)
"""Rule 21: recorded later than this after its last decision, a prediction version is simulated."""
