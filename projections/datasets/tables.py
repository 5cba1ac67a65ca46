"""The tables of datasets. Columns that name an event's place in the log refer to `datasets_fact`."""

from typing import Any

import msgspec

from projections.engine.facts import fact_table
from projections.temporal import Relation, Temporal


class DatasetRow(msgspec.Struct, frozen=True, gc=False):
    """A dataset; `newest` is its newest verified version, `versions` counts all."""

    tenant: str
    name: str
    kind: str
    instance: str | None
    newest: int | None
    versions: int
    created: int
    changed: int


class DatasetVersionRow(msgspec.Struct, frozen=True, gc=False):
    """A version; `content` is the event that told its content, `decided` the one that verified or rejected
    it.
    """

    tenant: str
    dataset: str
    number: int
    state: str
    recorded: int
    content: int | None
    decided: int | None
    compacted: int | None
    purged: int | None


FACTS = fact_table("datasets")
DATASETS = Temporal("datasets_dataset", DatasetRow, key=2)
VERSIONS = Temporal("datasets_version", DatasetVersionRow, key=3)

RELATIONS: tuple[Relation[Any], ...] = (FACTS, DATASETS, VERSIONS)
