"""Tables of a view: temporal (a row is valid from one position to another), appended, and how rows become
tables.

A row is a frozen struct whose fields are the columns. A temporal table adds `valid_from` and `valid_to`; the
row that is valid now has the largest integer as `valid_to`. Every state gets a row of its own, also one that
lasted for a single event in the middle of a page: a view is exact at every position, whatever the pages were.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from operator import attrgetter
from types import UnionType
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import msgspec
from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.types import TypeEngine

R = TypeVar("R", bound=msgspec.Struct)
Key = tuple[Any, ...]
Values = tuple[Any, ...]

OPEN = 2**63 - 1
"""`valid_to` of a row that is valid now."""

_INTEGER = BigInteger().with_variant(Integer(), "sqlite")
_TYPES: dict[object, TypeEngine[Any]] = {
    int: _INTEGER,
    str: Text().with_variant(Text(collation="C"), "postgresql"),
    float: Float(),
    bytes: LargeBinary(),
}


class Relation(Generic[R]):
    """A table of a view: its name, its row and the first `key` fields that identify a row."""

    temporal = False

    def __init__(self, name: str, row: type[R], key: int, indexes: Iterable[tuple[str, ...]] = ()) -> None:
        self.name = name
        self.row = row
        self.fields = row.__struct_fields__
        self.key_fields = self.fields[:key]
        self.indexes = tuple(indexes)
        getter = attrgetter(*self.key_fields)
        self.key_of: Callable[[R], Key] = getter if key > 1 else lambda row: (getter(row),)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns in declared order."""
        return self.fields

    @cached_property
    def kinds(self) -> tuple[type, ...]:
        """The type of each column's values in Python, nulls apart."""
        hints = get_type_hints(self.row)
        return tuple(_kind(hints[name]) for name in self.fields)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns that identify a stored row, in the order in which rows are hashed."""
        return self.key_fields

    def table(self, metadata: MetaData, physical_name: str) -> Table:
        """The table under a physical name of its own, with its indexes."""
        hints = get_type_hints(self.row)
        columns = [self._column(name, hints[name]) for name in self.fields]
        table = Table(
            physical_name, metadata, *columns, *self._validity(), sqlite_with_rowid=self._has_rowid()
        )
        for number, names in enumerate(self.indexes):
            Index(f"ix_{physical_name}_{number}", *(table.c[name] for name in names))
        return table

    def _column(self, name: str, hint: object) -> Column[Any]:
        is_key, nullable = name in self.key_fields, isinstance(hint, UnionType)
        return Column(name, _TYPES[_kind(hint)], primary_key=is_key, nullable=nullable, autoincrement=False)

    def _validity(self) -> list[Column[Any]]:
        return []

    def _has_rowid(self) -> bool:
        return self.key_fields == ("position",)


def _kind(hint: Any) -> Any:
    """The type of a field, without `| None`."""
    return next((kind for kind in get_args(hint) if kind is not type(None)), hint)


class Appended(Relation[R]):
    """Rows that are written once: facts, points, edges."""


class Temporal(Relation[R]):
    """Rows that are valid from one log position up to, not including, another."""

    temporal = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The row's fields, then its validity."""
        return (*self.fields, "valid_from", "valid_to")

    @cached_property
    def kinds(self) -> tuple[type, ...]:
        """The type of each column's values in Python, nulls apart."""
        return (*super().kinds, int, int)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The key and the position from which the row is valid."""
        return (*self.key_fields, "valid_from")

    def table(self, metadata: MetaData, physical_name: str) -> Table:
        """As every table, and an index of the open rows, at most one a key."""
        table = super().table(metadata, physical_name)
        is_open = text(f"valid_to = {OPEN}")
        keys = (table.c[name] for name in self.key_fields)
        Index(f"ix_{physical_name}_open", *keys, unique=True, sqlite_where=is_open, postgresql_where=is_open)
        return table

    def _validity(self) -> list[Column[Any]]:
        return [
            Column("valid_from", _INTEGER, primary_key=True, autoincrement=False),
            Column("valid_to", _INTEGER, nullable=False),
        ]


Load = Callable[[Relation[Any], Key], Values | None]
"""Looks a stored row up."""


class Appender(Generic[R]):
    """What a page adds to an appended table. `knows_all`: the table was empty when this began, so that a row
    which is not held is not there.
    """

    def __init__(self, relation: Appended[R], load: Load, *, knows_all: bool = False) -> None:
        self._relation = relation
        self._load = load
        self._knows_all = knows_all
        self._known: dict[Key, R] = {}
        self._inserts: list[Values] = []

    def add(self, row: R) -> None:
        """Write a row that nothing will look up."""
        self._inserts.append(msgspec.structs.astuple(row))

    def introduce(self, row: R) -> None:
        """Write a row that later events look up by its key."""
        self._known[self._relation.key_of(row)] = row
        self.add(row)

    def find(self, key: Key) -> R | None:
        """The row of a key."""
        row = self._known.get(key)
        if row is None:
            values = None if self._knows_all else self._load(self._relation, key)
            if values is None:
                return None
            row = self._known[key] = self._relation.row(*values)
        return row

    def take(self) -> tuple[list[Values], list[Values]]:
        """The rows to insert; there is nothing to close."""
        inserts, self._inserts = self._inserts, []
        return inserts, []

    def trim(self, limit: int) -> None:
        """Forget the oldest rows that are held for look-ups, beyond `limit`."""
        self._knows_all &= not _trim(self._known, limit)


class Versioner(Generic[R]):
    """What a page does to a temporal table: each change closes a row and opens the next. `knows_all` as of an
    appended table.
    """

    def __init__(self, relation: Temporal[R], load: Load, *, knows_all: bool = False) -> None:
        self._relation = relation
        self._load = load
        self._knows_all = knows_all
        self._held: dict[Key, tuple[R, int]] = {}
        self._fresh: dict[Key, None] = {}
        self._inserts: list[Values] = []
        self._closes: list[Values] = []

    def begin(self, row: R, position: int) -> None:
        """Open the first row of a key."""
        key = self._relation.key_of(row)
        self._held[key] = (row, position)
        self._fresh[key] = None

    def find(self, key: Key) -> R | None:
        """The row of a key that is valid after the event before this one."""
        held = self._hold(key)
        return held[0] if held else None

    def replace(self, row: R, position: int) -> None:
        """Close the valid row of this key, if it differs, and open this one."""
        key = self._relation.key_of(row)
        held = self._hold(key)
        if held is None:
            self.begin(row, position)
            return
        former, since = held
        if former == row:
            return
        if since != position:
            self._close(key, former, since, position)
        self._held[key] = (row, position)
        self._fresh[key] = None

    def _close(self, key: Key, former: R, since: int, position: int) -> None:
        if key in self._fresh:
            self._inserts.append((*msgspec.structs.astuple(former), since, position))
        else:
            self._closes.append((position, *key, since))

    def _hold(self, key: Key) -> tuple[R, int] | None:
        held = self._held.get(key)
        if held is None:
            values = None if self._knows_all else self._load(self._relation, key)
            if values is None:
                return None
            held = self._held[key] = (self._relation.row(*values[:-1]), values[-1])
        return held

    def take(self) -> tuple[list[Values], list[Values]]:
        """The rows to insert and the rows to close: (valid_to, key, valid_from)."""
        astuple = msgspec.structs.astuple
        inserts, closes = self._inserts, self._closes
        for key in self._fresh:
            row, since = self._held[key]
            inserts.append((*astuple(row), since, OPEN))
        self._inserts, self._closes, self._fresh = [], [], {}
        return inserts, closes

    def trim(self, limit: int) -> None:
        """Forget the oldest rows that are held for look-ups, beyond `limit`."""
        self._knows_all &= not _trim(self._held, limit)


def _trim(held: dict[Key, Any], limit: int) -> bool:
    """Whether rows were forgotten."""
    if len(held) <= limit:
        return False
    for key in list(held)[: len(held) - limit // 2]:
        del held[key]
    return True
