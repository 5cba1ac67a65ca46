"""Readable references, the same everywhere: `xgb-signal@1.2.0`, `spx-alpha@3`,
`dataset_version:us-prices@12`.
"""

import re
from typing import Self

import msgspec

from domain.shared.errors import ReferenceMalformed

_NAME = "[a-z0-9][a-z0-9-]{1,62}"
_NUMBERED = re.compile(f"({_NAME})@([1-9][0-9]{{0,8}})")
_DEFINITION = re.compile(f"({_NAME})@((?:0|[1-9][0-9]*)(?:\\.(?:0|[1-9][0-9]*)){{2}}(?:-[0-9A-Za-z.-]+)?)")
_RUN = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
RUN_NODE_TYPES = ("training_run", "inference_run", "monitoring_run")
NODE_TYPES = ("dataset_version", *RUN_NODE_TYPES, "model_version")


class VersionRef(msgspec.Struct, frozen=True, order=True, gc=False):
    """A numbered version of a named resource: `spx-alpha@3` (model) or `us-prices@12` (dataset)."""

    name: str
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name@number`; raises ReferenceMalformed."""
        found = _NUMBERED.fullmatch(text)
        if not found:
            raise ReferenceMalformed(f"{text!r} is not of the form name@number")
        return cls(found[1], int(found[2]))

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"


class DefinitionRef(msgspec.Struct, frozen=True, order=True, gc=False):
    """One version of a definition: `xgb-signal@1.2.0`."""

    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name@semver`; raises ReferenceMalformed."""
        found = _DEFINITION.fullmatch(text)
        if not found:
            raise ReferenceMalformed(f"{text!r} is not of the form name@1.2.0")
        return cls(found[1], found[2])

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class NodeRef(msgspec.Struct, frozen=True, order=True, gc=False):
    """A node of the lineage graph: a dataset version, a run or a model version."""

    type: str
    id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `model_version:spx-alpha@3` or `training_run:0192…`; raises ReferenceMalformed."""
        kind, _, identity = text.partition(":")
        form = _RUN if kind in RUN_NODE_TYPES else _NUMBERED
        if kind not in NODE_TYPES or not form.fullmatch(identity):
            raise ReferenceMalformed(f"{text!r} is not a lineage node", node_types=list(NODE_TYPES))
        return cls(kind, identity)

    def __str__(self) -> str:
        return f"{self.type}:{self.id}"
