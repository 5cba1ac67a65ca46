"""The seam between the engine and a database: how rows are written, looked up and read."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Connection

from projections.engine.generations import StoredRelation
from projections.temporal import Key, Values


class TableChanges(NamedTuple):
    """What changes in one table."""

    stored: StoredRelation
    inserts: list[Values]
    """Rows whose values stand in the order of the relation's columns."""
    closes: list[Values]
    """Rows of a temporal relation that end: (valid_to, key, valid_from). They end before others begin."""


class LookUps(Protocol):
    """Single rows for a fold, each as it was committed last; used by one thread at a time."""

    def find(self, stored: StoredRelation, key: Key) -> Values | None:
        """Columns of the row of a key; of a temporal relation the open row, ending in its `valid_from`."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class ViewStore(Protocol):
    """A database that holds views."""

    @property
    def away(self) -> tuple[type[Exception], ...]:
        """What says that the database cannot be reached: whoever gets it may try again later."""
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """A write transaction; rolled back by an error."""
        ...

    def arrange(self) -> AbstractContextManager[Connection]:
        """A write transaction that makes, swaps or drops generations: one at a time in the whole database."""
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """An unchanging snapshot for several statements."""
        ...

    def wait_until_unread(self) -> None:
        """Wait for those who may still read tables that no longer serve; for so long as is sensible."""
        ...

    def write_rows(self, connection: Connection, changes: Sequence[TableChanges]) -> None:
        """Close and insert rows; when they are committed, those hear of it who wait for views elsewhere."""
        ...

    def look_ups(self) -> LookUps:
        """A connection for the look-ups of one fold."""
        ...

    def json_number(self, column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
        """The number under a name in a column that holds a JSON object as text; NULL if it has none."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...
