"""What a definition package says of itself in `definition.toml`, read without running its code."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from domain.alert_rules import RULES_MAX, AlertRule
from domain.categories import Category
from domain.guardrails.contracts import Contract
from domain.shared.ids import Name, Sha256


class InputRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A dataset that the code expects, under the name that the code uses for it."""

    role: Name
    columns: tuple[str, ...]
    description: str = ""
    scale_free: bool | UnsetType = UNSET
    """Features and target stay as they are when its values are on another scale; the evaluation proves it."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The checked content of a `definition.toml` and the pin of the package it came in."""

    name: Name
    version: str
    category: Category
    description: str
    package_sha256: Sha256
    package_bytes: int
    entry_points: dict[str, str]
    """model, features, trainer, evaluator, predictor, monitor: each `module.path:Name`."""
    inputs: tuple[InputRole, ...]
    contracts: tuple[Contract, ...]
    requirements: tuple[str, ...]
    alerts: Annotated[tuple[AlertRule, ...], msgspec.Meta(max_length=RULES_MAX)] | UnsetType = UNSET
    """Rules on the metrics of an instance's runs, unless the instance has its own."""

    @property
    def scale_free_roles(self) -> tuple[str, ...]:
        """Roles whose scale nothing depends on, proved in any version that passed."""
        return tuple(one.role for one in self.inputs if one.scale_free is True)
