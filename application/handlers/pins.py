"""What a run pins at submission: definition, config, dataset versions, model version, `as_of`."""

from datetime import datetime
from typing import Any

from application.context import Context, check
from application.handlers import inputs
from application.handlers.decisions import check_decisions
from application.handlers.facts import (
    check_hyper_parameters,
    check_roles,
    load_definition,
    load_version,
)
from application.ports import StreamCheck
from domain.model_instance import decider as instances
from domain.model_instance.errors import InstanceExternalRefused
from domain.model_instance.specification import Config, Specification
from domain.model_version import decider as versions
from domain.model_version.events import VersionRegistered
from domain.run import decider as runs
from domain.run.commands import SubmitRun
from domain.run.errors import RunDecisionsInvalid, RunExecutorInvalid, RunInputsInvalid, RunRetryInvalid
from domain.run.events import RunSubmitted
from domain.run.pins import DateRange, PinnedConfig, PinnedLimits, PinnedModel
from domain.shared.errors import AsOfInFuture


def pin(
    command: SubmitRun, state: instances.State, context: Context
) -> tuple[RunSubmitted, list[StreamCheck]]:
    """Everything that the run may depend on, and the streams that must not move until it is recorded."""
    specification = instances.open_for_change(state, command.instance)
    as_of = _as_of(command, context)
    _check_shape(command, specification)
    _check_retry(command, context)
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


def _check_retry(command: SubmitRun, context: Context) -> None:
    """A retry names a run of the same instance and kind; what that run was never changes."""
    if command.retry_of is None:
        return
    loaded = context.load(runs.stream(command.retry_of), runs.INITIAL, runs.evolve)
    former = runs.existing(loaded.state, command.retry_of)
    if (former.instance, former.kind) != (command.instance, command.kind):
        raise RunRetryInvalid(f"{command.retry_of} is a {former.kind} run of {former.instance}")


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
        pins = inputs.declared(command.inputs, context)
    else:
        check_roles(known, specification.training_datasets)
        pins = inputs.trained_on(specification, context)
    run = _submitted(command, specification, state, as_of, context)
    config = _pinned_config(specification.config, hyper_parameters)
    return run(
        definition=ref,
        package_sha256=known.manifest.package_sha256,
        config=config,
        inputs=tuple(one for one, _ in pins),
        model=None,
    ), [unchanged, *(still for _, still in pins)]


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
        pins = inputs.bound(specification.inference_datasets, context)
        check_decisions(command, version, as_of, context)
    else:
        pins = inputs.monitored(specification, state.output_dataset, context)
    run = _submitted(command, specification, state, as_of, context)
    model = PinnedModel(
        number=number, artifact_sha256=version.artifact_sha256, trained_as_of=version.trained_as_of
    )
    return run(
        definition=version.definition,
        package_sha256=version.package_sha256,
        config=_config_of_version(version, specification.config),
        inputs=tuple(one for one, _ in pins),
        model=model,
    ), [unchanged, *(still for _, still in pins)]


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
