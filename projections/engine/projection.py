"""What a projection is, and what its fold may do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from domain.shared.activity import Event, RecordedEvent
from projections.engine.errors import ViewRowMissing
from projections.temporal import Appended, Appender, Load, Relation, Temporal, Values, Versioner

R = TypeVar("R", bound=msgspec.Struct)

Changes = tuple[str, list[Values], list[Values]]
"""Table name, rows to insert, rows to close."""
HELD_ROWS_MAX = 50_000
"""How many rows of a table a fold keeps for look-ups between pages."""


class Rows:
    """The rows of one projection as its fold sees and changes them; `position` is that of the event in
    hand.
    """

    def __init__(self, relations: tuple[Relation[Any], ...], load: Load, *, knows_all: bool = False) -> None:
        """`knows_all`: nothing is stored yet that could be looked up."""
        self.position = 0
        self._versioners = {
            r.name: Versioner(r, load, knows_all=knows_all) for r in relations if isinstance(r, Temporal)
        }
        self._appenders = {
            r.name: Appender(r, load, knows_all=knows_all) for r in relations if isinstance(r, Appended)
        }

    def add(self, relation: Appended[R], row: R) -> None:
        """Write a row that no later event looks up."""
        self._appenders[relation.name].add(row)

    def introduce(self, relation: Appended[R], row: R) -> None:
        """Write a row that later events look up."""
        self._appenders[relation.name].introduce(row)

    def find(self, relation: Relation[R], *key: Any) -> R | None:
        """The row of a key, as of the event before."""
        held = self._versioners if relation.temporal else self._appenders
        return held[relation.name].find(key)

    def begin(self, relation: Temporal[R], row: R) -> None:
        """Open the first row of a key that is known to be new."""
        self._versioners[relation.name].begin(row, self.position)

    def replace(self, relation: Temporal[R], row: R) -> None:
        """Let this row hold from here on."""
        self._versioners[relation.name].replace(row, self.position)

    def change(self, relation: Temporal[R], *key: Any, **changes: Any) -> R:
        """Let some fields of a row have other values from here on; raises ViewRowMissing."""
        row = self._versioners[relation.name].find(key)
        if row is None:
            raise ViewRowMissing(f"{relation.name} has no row {key!r} to change", table=relation.name)
        changed = msgspec.structs.replace(row, **changes)
        self._versioners[relation.name].replace(changed, self.position)
        return changed

    def take(self) -> list[Changes]:
        """What the page amounts to."""
        changes = [(name, *held.take()) for name, held in (self._versioners | self._appenders).items()]
        for held in (*self._versioners.values(), *self._appenders.values()):
            held.trim(HELD_ROWS_MAX)
        return [change for change in changes if change[1] or change[2]]


Fold = Callable[[RecordedEvent, Event, Rows], None]
"""Pure: no clock, no randomness, no I/O; the same events give the same rows."""


@dataclass(frozen=True)
class Projection:
    """A view: a name that never changes, a version of its tables and fold, the tables and the fold."""

    name: str
    version: int
    relations: tuple[Relation[Any], ...]
    fold: Fold
