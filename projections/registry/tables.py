"""The tables of the registry. Columns that name an event's place in the log refer to `registry_fact`."""

from typing import Any

import msgspec

from projections.engine.facts import fact_table
from projections.temporal import Appended, Relation, Temporal


class DefinitionRow(msgspec.Struct, frozen=True, gc=False):
    """A definition version; positions of the events that made it what it is."""

    tenant: str
    name: str
    version: str
    state: str
    category: str
    first_submitted: int
    submitted: int
    evaluated: int | None
    published: int | None
    deprecated: int | None


class InstanceRow(msgspec.Struct, frozen=True, gc=False):
    """An instance and what its state derives from."""

    tenant: str
    name: str
    state: str
    space: str
    definition: str
    definition_version: str
    owner: str
    output_dataset: str
    active_version: int | None
    versions: int
    runs: int
    open_trainings: int
    has_failed_training: int
    last_run: str | None
    created: int
    specified: int
    archived: int | None


class VersionRow(msgspec.Struct, frozen=True, gc=False):
    """A model version; positions of the events that made it what it is."""

    tenant: str
    instance: str
    number: int
    stage: str
    registered: int
    staged: int
    promoted: int | None
    annotated: int | None
    purged: int | None


class ProductionRow(msgspec.Struct, frozen=True, gc=False):
    """Which version of an instance is in production, since which event; none: no row is valid, or number is
    NULL.
    """

    tenant: str
    instance: str
    number: int | None
    how: str | None
    since: int


class GateRow(msgspec.Struct, frozen=True, gc=False):
    """A gate's verdict on a target."""

    position: int
    tenant: str
    target: str
    gate: str
    enforced_as: str


FACTS = fact_table("registry")
DEFINITIONS = Temporal(
    "registry_definition", DefinitionRow, key=3, indexes=[("tenant", "name", "first_submitted", "valid_from")]
)
INSTANCES = Temporal("registry_instance", InstanceRow, key=2)
VERSIONS = Temporal("registry_version", VersionRow, key=3)
PRODUCTION = Temporal("registry_production", ProductionRow, key=2)
GATES = Appended("registry_gate", GateRow, key=1, indexes=[("tenant", "target", "position")])

RELATIONS: tuple[Relation[Any], ...] = (FACTS, DEFINITIONS, INSTANCES, VERSIONS, PRODUCTION, GATES)
