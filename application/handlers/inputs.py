"""The dataset versions that a run pins, each with the check that its dataset has not moved since."""

from collections.abc import Sequence
from typing import Literal

from application.context import Context, check
from application.handlers.facts import load_dataset
from application.ports import StreamCheck
from domain.dataset import decider as datasets
from domain.model_instance import decider as instances
from domain.model_instance.specification import DatasetBinding, Specification
from domain.run.commands import ExternalInput
from domain.run.pins import PinnedInput

Use = Literal["input", "outcome", "watched"]
Pin = tuple[PinnedInput, StreamCheck]

PREDICTIONS = "predictions"
OUTCOMES = "outcomes"
WATCHED = "watched."
"""Before the role of a watched input whose plain role another dataset has."""


def bound(bindings: Sequence[DatasetBinding], context: Context) -> list[Pin]:
    """The newest version of each bound dataset, or the one that its binding pins."""
    return [_pinned(role, one, "input", context) for role, one in instances.roles(bindings).items()]


def trained_on(specification: Specification, context: Context) -> list[Pin]:
    """The training datasets, and the outcome dataset where it is one of its own: it judges predictions and
    trains nothing.
    """
    pins = bound(specification.training_datasets, context)
    name = specification.outcome_dataset
    if name is None or any(one.dataset == name for one, _ in pins):
        return pins
    return [*pins, _pinned(OUTCOMES, DatasetBinding(dataset=name), "outcome", context)]


def monitored(specification: Specification, output: str, context: Context) -> list[Pin]:
    """The predictions, and the dataset that holds what came of them: by default the training datasets."""
    predictions = _pinned(PREDICTIONS, DatasetBinding(dataset=output), "input", context)
    roles = instances.roles(specification.training_datasets).items()
    outcome = specification.outcome_dataset
    truth = [(role, one) for role, one in roles if outcome is None or one.dataset == outcome]
    if outcome is not None and not truth:
        truth = [(OUTCOMES, DatasetBinding(dataset=outcome))]
    judged = [_pinned(role, one, "outcome", context) for role, one in truth]
    watched = _watched(specification, [one for one, _ in (predictions, *judged)], context)
    order = list(instances.roles(specification.inference_datasets))
    return [predictions, *sorted([*judged, *watched], key=lambda pin: _place(pin, order))]


def _watched(specification: Specification, judged: Sequence[PinnedInput], context: Context) -> list[Pin]:
    """What inference reads and the judgement does not: current features are computed from it."""
    taken = {one.role: one.dataset for one in judged}
    bindings = instances.roles(specification.inference_datasets).items()
    return [
        _pinned(WATCHED + role if role in taken else role, one, "watched", context)
        for role, one in bindings
        if taken.get(role) != one.dataset
    ]


def _place(pin: Pin, order: Sequence[str]) -> int:
    """Where inference reads it: the first dataset gives the decisions."""
    name = pin[0].role.removeprefix(WATCHED)
    return order.index(name) if name in order else len(order)


def declared(inputs: Sequence[ExternalInput], context: Context) -> list[Pin]:
    """What an external training says it has read."""
    return [
        _pinned(
            one.role or one.dataset,
            DatasetBinding(dataset=one.dataset, version=one.version),
            "input",
            context,
        )
        for one in inputs
    ]


def _pinned(role: str, binding: DatasetBinding, use: Use, context: Context) -> Pin:
    loaded = load_dataset(context, binding.dataset)
    number = binding.version or datasets.newest(loaded.state, binding.dataset)
    datasets.readable(loaded.state, binding.dataset, number)
    pinned = PinnedInput(dataset=binding.dataset, version=number, role=role, use=use)
    return pinned, check(datasets.stream(binding.dataset), loaded)
