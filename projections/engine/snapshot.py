"""One moment of some views, read in one transaction: what every query works on."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, literal_column, select

from application.ports import ActivityLog
from domain.shared.activity import StreamKey
from domain.shared.errors import AsOfBeyondLog, ProjectionBehind
from domain.shared.times import LogMoment
from projections.engine import generations
from projections.engine.facts import Fact
from projections.engine.generations import Generation
from projections.engine.keeping import Keeper
from projections.temporal import OPEN, Appended, Relation

R = TypeVar("R", bound=msgspec.Struct)

WAIT_S = 5.0
"""How long a query waits for a view that is behind the moment it asks for."""

_HEARD_S = 0.5
"""How long the news of another process's append may take."""

StreamVersions = Callable[[Sequence[StreamKey]], dict[StreamKey, int]]
"""The versions at which streams stood at a snapshot's moment; 0 for a stream without events."""


class Snapshot:
    """Some views as of `at`, for one tenant."""

    def __init__(
        self, connection: Connection, tenant: str, at: int, serving: dict[str, tuple[Generation, int]]
    ) -> None:
        self.connection = connection
        self.tenant = tenant
        self.at = at
        self._found = {
            name: (stored.table, position)
            for generation, position in serving.values()
            for name, stored in generation.stored.items()
        }

    def columns(self, relation: Relation[Any]) -> Any:
        """The columns of a relation, by name."""
        return self._found[relation.name][0].c

    def rows(self, relation: Relation[R], *where: ColumnElement[bool]) -> Select[Any]:
        """Select the tenant's rows of a relation that are valid at the moment."""
        table = self._found[relation.name][0]
        statement = select(*(table.c[name] for name in relation.fields))
        return statement.where(table.c.tenant == self.tenant, self.valid(relation), *where)

    def valid(self, relation: Relation[Any]) -> ColumnElement[bool]:
        """Whether a row is valid at the moment; literal where it is now, so that the index of open rows
        serves.
        """
        table, position = self._found[relation.name]
        if not relation.temporal:
            return table.c.position <= self.at if "position" in table.c else literal_column("1") == 1
        if self.at >= position:
            return table.c.valid_to == literal_column(str(OPEN))
        return and_(table.c.valid_from <= self.at, table.c.valid_to > self.at)

    def fetch(self, relation: Relation[R], statement: Select[Any]) -> list[R]:
        """Run a selection made with `rows`."""
        return [relation.row(*row) for row in self.connection.execute(statement)]

    def one(self, relation: Relation[R], *where: ColumnElement[bool]) -> R | None:
        """The first row that fits, if any."""
        found = self.fetch(relation, self.rows(relation, *where).limit(1))
        return found[0] if found else None

    def facts(self, relation: Appended[Fact], positions: Iterable[int | None]) -> dict[int, Fact]:
        """The facts at some positions."""
        wanted = sorted({position for position in positions if position is not None})
        column = self.columns(relation).position
        found = self.fetch(relation, self.rows(relation, column.in_(wanted)))
        return {row.position: row for row in found}


def heard_head(log: ActivityLog, position: int) -> int:
    """The head; a position beyond it may be what another process just appended: its news is waited for."""
    head = log.head()
    return head if position <= head else log.wait_beyond(position - 1, _HEARD_S)


class Snapshots:
    """Opens snapshots over the serving generations."""

    def __init__(self, keeper: Keeper, wait_s: float = WAIT_S) -> None:
        self._keeper = keeper
        self._wait_s = wait_s
        self._generations: dict[tuple[str, int], Generation] = {}

    @contextmanager
    def open(self, tenant: str, names: Sequence[str], at: LogMoment | None) -> Generator[Snapshot]:
        """The named views at one moment, default the newest that all of them have.

        Raises AsOfBeyondLog, and ProjectionBehind if a view does not get there in time.
        """
        if at is not None:
            self._wait(names, at.position, tenant)
        with self._keeper.store.read() as connection:
            found = self._keeper.serving(connection, tenant)
            missing = [name for name in names if name not in found]
            if missing:
                raise ProjectionBehind(f"{missing[0]} was not folded yet", projection=missing[0])
            if at is not None:
                _check_reached({name: found[name].position for name in names}, at.position)
            serving = {
                name: (self._generation(name, found[name].generation), found[name].position) for name in names
            }
            newest = min(position for _, position in serving.values())
            yield Snapshot(connection, tenant, newest if at is None else at.position, serving)

    def _wait(self, names: Sequence[str], position: int, tenant: str) -> None:
        if self._keeper.has(names, position, tenant):
            return
        head = heard_head(self._keeper.log, position)
        if position > head:
            raise AsOfBeyondLog(f"the log ends at {head}, {position} lies beyond it", head=head)
        for name in names:
            self._keeper.wait_for(name, position, self._wait_s, tenant)

    def _generation(self, name: str, number: int) -> Generation:
        found = self._generations.get((name, number))
        if found is None:
            found = generations.generation(self._keeper.projections[name], number)
            self._generations[name, number] = found
        return found


def _check_reached(positions: Mapping[str, int], wanted: int) -> None:
    """A view that was seen further may have gone back: made anew, or with a server that lost its last
    commits.
    """
    name = min(positions, key=lambda each: positions[each], default=None)
    if name is not None and positions[name] < wanted:
        stands = positions[name]
        raise ProjectionBehind(
            f"{name} stands at {stands}, not yet at {wanted}", projection=name, position=stands
        )
