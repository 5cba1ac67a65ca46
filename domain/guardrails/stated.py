"""What contracts can be judged on before anything runs: what inputs declare, and what their newest version's
event says of its rows. No row is read.

A contract for which this is too little is left to the gate that sees the rows.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal, TypeAlias

import msgspec

from domain.guardrails import (
    dataset_coverage,
    dataset_freshness,
    dataset_pit,
    dataset_schema,
    model_freshness,
)
from domain.guardrails.contracts import Contract
from domain.guardrails.kinds import config_of
from domain.guardrails.measurements import Measurement, Measurements

WITHOUT_A_MOMENT = ("dataset.schema", "dataset.pit", "dataset.coverage")
"""Kinds that an instance is judged by: it is not said yet when it will be used."""
WITH_A_MOMENT = (*WITHOUT_A_MOMENT, "dataset.freshness", "model.freshness")

ON_SESSIONS = ("dataset.coverage", "dataset.freshness")
"""Kinds that need a calendar; loading one takes a second."""

WantedFor: TypeAlias = Literal["training", "inference"] | None
"""What the inputs are wanted for; None: nothing yet."""


class StatedInput(msgspec.Struct, frozen=True, kw_only=True):
    """A bound dataset version as its declaration and its event tell it."""

    columns: dict[str, str]
    """Name → type."""
    forward_looking: bool
    early_days: int
    newest: date | None = None
    """None: it has no row."""
    entities: int = 0
    keys: int = 0
    """(date, entity) of all its rows, whenever they became known."""
    sessions: int | None = None
    """Closed from the first date to the moment of use, or to the newest date; None: there is no calendar."""
    age: int | None = None
    """Sessions closed since the newest date, at the moment of use."""
    is_all_known: bool = False
    """No row became known after the moment of use."""


def stated(
    contracts: Sequence[Contract],
    inputs: Mapping[str, StatedInput],
    wanted_for: WantedFor,
    model_age_days: float | None = None,
) -> tuple[tuple[Contract, ...], Measurements]:
    """The contracts that can be judged now, and their figures."""
    found = [(one, _figures(one, inputs, wanted_for, model_age_days)) for one in contracts]
    there = [(contract, item) for contract, item in found if item is not None]
    items = tuple(item for _, item in there)
    return tuple(contract for contract, _ in there), Measurements(rows=0, items=items)


def _figures(
    contract: Contract,
    inputs: Mapping[str, StatedInput],
    wanted_for: WantedFor,
    model_age_days: float | None,
) -> Measurement | None:
    if contract.kind not in (WITHOUT_A_MOMENT if wanted_for is None else WITH_A_MOMENT):
        return None
    config: Any = config_of(contract)
    if isinstance(config, model_freshness.Config):
        return None if model_age_days is None else _item(contract, 0, {"age_days": model_age_days})
    one = inputs.get(config.role)
    if one is None:
        return None
    match config:
        case dataset_schema.Config():
            return _schema(contract, config, one)
        case dataset_pit.Config():
            return _pit(contract, config, one)
        case dataset_freshness.Config():
            return _age(contract, one) if wanted_for == "inference" else None
        case dataset_coverage.Config():
            return _coverage(contract, config, one)
        case _:
            return None


def _schema(contract: Contract, config: dataset_schema.Config, one: StatedInput) -> Measurement:
    """Columns and types as they are declared; nulls and infinite values are for who reads the rows."""
    missing = [name for name in config.columns if name not in one.columns]
    present = [name for name in config.columns if name in one.columns]
    other = [name for name in present if one.columns[name] != config.columns[name]]
    observed = {"missing_columns": float(len(missing)), "columns_of_another_type": float(len(other))}
    return _item(contract, 0, observed)


def _pit(contract: Contract, config: dataset_pit.Config, one: StatedInput) -> Measurement | None:
    """A dataset that may not hold what the contract forbids has none of it: its store refused it (R8)."""
    is_stricter = not one.forward_looking and one.early_days <= config.early_days
    return _item(contract, 0, {}) if config.forward_looking or is_stricter else None


def _age(contract: Contract, one: StatedInput) -> Measurement | None:
    if one.newest is None:
        return _item(contract, 0, {})
    return None if one.age is None else _item(contract, 0, {"age_sessions": float(one.age)}, f"{one.newest}/")


def _coverage(contract: Contract, config: dataset_coverage.Config, one: StatedInput) -> Measurement | None:
    """No more keys can be there than the version has: what even they do not reach is missing. Of a version
    that holds rows of a later time too, only who reads it knows which count.
    """
    if one.sessions is None or not one.is_all_known:
        return None
    names = one.entities if config.entities is None else len(config.entities)
    expected = one.sessions * names
    present = min(one.keys, one.sessions * min(names, one.entities))
    missing = expected - present
    observed = {"expected": float(expected), "present": float(present), "missing": float(missing)}
    return _item(contract, missing, observed) if expected else None


def _item(contract: Contract, breaching: int, observed: dict[str, float], *keys: str) -> Measurement:
    return Measurement(contract=contract.key(), rows=0, breaching=breaching, observed=observed, keys=keys)
