"""Facts of other streams that decisions use, each with the check that they still hold at the append."""

from collections.abc import Sequence
from typing import Any, cast

import jsonschema

from application.context import Context, check
from application.ports import Loaded, StreamCheck
from domain.dataset import decider as datasets
from domain.ml_module_def import decider as definitions
from domain.ml_module_def.decider import DefinitionVersion
from domain.model_instance import decider as instances
from domain.model_instance.errors import (
    InstanceConfigInvalid,
    InstanceDatasetsMissing,
    InstanceExternalRefused,
    InstanceHyperParametersInvalid,
)
from domain.model_instance.specification import DatasetBinding, Specification
from domain.model_version import decider as versions
from domain.model_version.events import VersionRegistered
from domain.shared.references import DefinitionRef


def load_definition(context: Context, name: str) -> tuple[Loaded[definitions.State], StreamCheck]:
    """All versions of a definition."""
    stream = definitions.stream(name)
    loaded = context.load(stream, definitions.INITIAL, definitions.evolve)
    return loaded, check(stream, loaded)


def load_instance(context: Context, name: str) -> Loaded[instances.State]:
    """An instance."""
    return context.load(instances.stream(name), instances.INITIAL, instances.evolve)


def load_version(context: Context, instance: str, number: int) -> Loaded[versions.State]:
    """A model version."""
    return context.load(versions.stream(instance, number), versions.INITIAL, versions.evolve)


def load_dataset(context: Context, name: str) -> Loaded[datasets.State]:
    """A dataset and its versions."""
    return context.load(datasets.stream(name), datasets.INITIAL, datasets.evolve)


def usable_definition(
    context: Context, ref: DefinitionRef, space: str
) -> tuple[DefinitionVersion, StreamCheck]:
    """A definition version that the sender's instance in this space may take."""
    loaded, unchanged = load_definition(context, ref.name)
    known = definitions.usable(loaded.state, ref.name, ref.version, principal=context.principal, space=space)
    return known, unchanged


def check_against_definition(
    context: Context, specification: Specification, known: DefinitionVersion
) -> None:
    """Roles are bound, hyper-parameters fit the schema, the calendar exists, the datasets exist."""
    check_roles(known, specification.training_datasets)
    check_roles(known, specification.inference_datasets)
    check_hyper_parameters(known, specification.config.hyper_parameters)
    calendar = specification.config.calendar
    if calendar is not None and not context.services.sessions.known(calendar):
        raise InstanceConfigInvalid(f"there is no trading calendar {calendar!r}", field="config.calendar")
    _check_datasets(context, specification)


def check_roles(known: DefinitionVersion, bindings: Sequence[DatasetBinding]) -> None:
    """Every input role of the definition is filled by one binding."""
    bound = instances.roles(bindings)
    missing = [wanted.role for wanted in known.manifest.inputs if wanted.role not in bound]
    if missing:
        raise InstanceDatasetsMissing(
            f"no dataset has the role {', '.join(missing)}; bound are {', '.join(bound) or 'none'}",
            missing=missing,
        )


def check_hyper_parameters(known: DefinitionVersion, values: dict[str, Any]) -> None:
    """The values fit the definition's JSON Schema."""
    validator = jsonschema.Draft202012Validator(known.hyper_parameter_schema)
    errors = cast("list[jsonschema.ValidationError]", list(validator.iter_errors(values)))  # pyright: ignore[reportUnknownMemberType]
    if errors:
        worst = min(errors, key=lambda error: list(map(str, error.absolute_path)))
        path = "/".join(map(str, worst.absolute_path))
        raise InstanceHyperParametersInvalid(f"hyper_parameters/{path}: {worst.message}", path=path)


def refuse_external(registered: VersionRegistered, space: str) -> None:
    """Rule 16: a version trained elsewhere has no place in `official`. Raises InstanceExternalRefused."""
    if registered.external and space == "official":
        raise InstanceExternalRefused(
            f"{registered.instance}@{registered.number} was trained elsewhere and the space is official"
        )


def _check_datasets(context: Context, specification: Specification) -> None:
    for binding in (*specification.training_datasets, *specification.inference_datasets):
        loaded = load_dataset(context, binding.dataset)
        datasets.existing(loaded.state, binding.dataset)
        if binding.version is not None:
            datasets.version(loaded.state, binding.dataset, binding.version)
    if specification.outcome_dataset is not None:
        loaded = load_dataset(context, specification.outcome_dataset)
        datasets.existing(loaded.state, specification.outcome_dataset)
