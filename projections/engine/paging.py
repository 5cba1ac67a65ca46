"""Pages of a list. A cursor carries the position of its list and the place of the last item, and fits only
its list.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, and_, or_

from application.queries import LIMIT_MAX, CursorMalformed, LimitOutOfRange, Paging
from application.views import Page
from domain.shared.times import LogMoment
from projections.engine.snapshot import Snapshot

V = TypeVar("V", bound=msgspec.Struct)

_encode = msgspec.json.Encoder(order="deterministic").encode


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Which list it is of, the list's position and the sort values of the last item."""

    digest: str
    position: int
    after: tuple[int | float | str, ...]


_decode = msgspec.json.Decoder(Cursor).decode

Order = Sequence[tuple[ColumnElement[Any], bool]]
"""Columns to sort by, and whether each descends; together they are unique."""


class Paged:
    """The part of a list that is asked for; `digest` ties cursors to the list, its tenant and filters."""

    def __init__(self, paging: Paging, *of: Any) -> None:
        if not 1 <= paging.limit <= LIMIT_MAX:
            raise LimitOutOfRange(f"{paging.limit} is not a limit from 1 to {LIMIT_MAX}")
        self.limit = paging.limit
        self.digest = hashlib.sha256(_encode(of)).hexdigest()[:12]
        self.cursor = None if paging.cursor is None else self._read(paging.cursor)

    def moment(self, at: LogMoment | None) -> LogMoment | None:
        """The moment of the list: the cursor's own, else the one asked for."""
        return at if self.cursor is None else LogMoment(self.cursor.position)

    def page(
        self,
        snapshot: Snapshot,
        statement: Select[Any],
        order: Order,
        views: Callable[[list[Any]], Sequence[V]],
    ) -> Page[V]:
        """One page. The statement's rows are given to `views` as they are, the sort values left out."""
        sorted_by = [column.label(f"sort_{number}") for number, (column, _) in enumerate(order)]
        statement = statement.add_columns(*sorted_by)
        if self.cursor is not None:
            statement = statement.where(self._beyond(order, self.cursor.after))
        directions = [column.desc() if descends else column.asc() for column, descends in order]
        rows = snapshot.connection.execute(statement.order_by(*directions).limit(self.limit + 1)).all()
        shown, width = rows[: self.limit], len(order)
        more = len(rows) > self.limit
        return Page(
            items=tuple(views([row[:-width] for row in shown])),
            next_cursor=self._write(snapshot.at, shown[-1][-width:]) if more else None,
            position=snapshot.at,
        )

    def _beyond(self, order: Order, after: Sequence[Any]) -> ColumnElement[bool]:
        if len(after) != len(order):
            raise CursorMalformed("the cursor is of another list")
        cases: list[ColumnElement[bool]] = []
        for depth, ((column, descends), value) in enumerate(zip(order, after, strict=True)):
            equal = [former == after[n] for n, (former, _) in enumerate(order[:depth])]
            cases.append(and_(*equal, column < value if descends else column > value))
        return or_(*cases)

    def _write(self, position: int, after: Sequence[Any]) -> str:
        return urlsafe_b64encode(_encode(Cursor(self.digest, position, tuple(after)))).decode().rstrip("=")

    def _read(self, text: str) -> Cursor:
        try:
            cursor = _decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, msgspec.MsgspecError) as error:
            raise CursorMalformed("the cursor cannot be read") from error
        if cursor.digest != self.digest:
            raise CursorMalformed("the cursor is of another list, or its filters differ")
        return cursor
