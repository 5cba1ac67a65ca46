"""The database of a simulation: the log, and the progress and rows of the views, in transactions.

It knows the truth: who owns what, and what each view holds. Every commit is checked against it, so that a
wrong write is found where it happens and not only in the end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from infrastructure.activity_log.record import Row
from infrastructure.kafka.partitions import PartitionPage
from projections.engine.errors import ViewFenced
from tests.simulation.faults import Bug

if TYPE_CHECKING:
    from tests.simulation.broker import Broker

VIEWS = ("first", "second")


class Resume(NamedTuple):
    """Where a partition goes on."""

    offset: int | None
    position: int


class Move(NamedTuple):
    """A page of a view's partition."""

    view: str
    partition: int
    expected: int
    page: Sequence[int]
    offset: int


@dataclass
class Progress:
    """The progress row of a view's partition, and its rows."""

    owner: str = ""
    position: int = 0
    offset: int | None = None
    rows: list[int] = field(default_factory=list)
    """The positions that were folded, in the order in which they were."""


@dataclass
class RelayRow:
    """The relay's progress."""

    owner: str = ""
    position: int = 0
    tenants: dict[str, int] = field(default_factory=dict)
    delivered: dict[int, int] = field(default_factory=dict)


class Database:
    """Everything that is durable. `trouble` is called before and after each commit and may raise."""

    def __init__(self, bugs: frozenset[Bug], partition_of: Callable[[str], int], broker: "Broker") -> None:
        self.bugs = bugs
        self.partition_of = partition_of
        self._broker = broker
        self.relay = RelayRow()
        self.log: list[Row] = []
        self.trouble: Callable[[str], None] = lambda _place: None
        self.refuses: Callable[[], bool] = lambda: False
        self.progress: dict[tuple[str, int], Progress] = {}

    # --- the log ---

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        """Stored rows in order."""
        self.trouble("read")
        return self.log[after : after + limit]

    def head(self) -> int:
        """The last position."""
        return len(self.log)

    def of_partition(self, partition: int, until: int) -> list[int]:
        """The positions of a partition's tenants up to one: what a view must hold."""
        return [row[0] for row in self.log[:until] if self.partition_of(row[2]) == partition]

    # --- the views ---

    def at(self, view: str, partition: int) -> Progress:
        """A progress row."""
        return self.progress.setdefault((view, partition), Progress())

    def take_over(self, partition: int, owner: str) -> dict[str, tuple[int, int | None]]:
        """Own all views of a partition; returns their positions and offsets."""
        self.trouble("before")
        for view in VIEWS:
            self.at(view, partition).owner = owner
        self.trouble("after")
        return {view: (self.at(view, partition).position, self.at(view, partition).offset) for view in VIEWS}

    def commit(self, owner: str, moves: Sequence[Move]) -> None:
        """Rows and progress of pages together, where this owner stands at what each move expects."""
        self.trouble("before")
        for move in moves:
            progress = self.at(move.view, move.partition)
            is_fenced = progress.owner != owner or progress.position != move.expected
            if is_fenced and Bug.NO_FENCE not in self.bugs:
                detail = f"{move.view} of {move.partition} is {progress.owner}'s at {progress.position}"
                raise ViewFenced(detail)
        if Bug.ROWS_APART in self.bugs:
            self._write(moves)
            self.trouble("between")
            self._advance(moves)
        else:
            self._advance(moves)
            if Bug.PROGRESS_APART in self.bugs:
                self.trouble("between")
            self._write(moves)
        for move in moves:
            holder = self.at(move.view, move.partition).owner
            assert holder == owner, f"{owner} wrote to {move.view} of {move.partition}, which is {holder}'s"
            self.check(move.view, move.partition)
        self.trouble("after")

    def _advance(self, moves: Sequence[Move]) -> None:
        for move in moves:
            progress = self.at(move.view, move.partition)
            progress.position, progress.offset = move.page[-1], move.offset

    def _write(self, moves: Sequence[Move]) -> None:
        for move in moves:
            self.at(move.view, move.partition).rows += move.page

    def check(self, view: str, partition: int) -> None:
        """A view holds the fold of the log up to its progress: nothing twice, nothing missing, in order."""
        progress = self.at(view, partition)
        expected = self.of_partition(partition, progress.position)
        assert progress.rows == expected, f"{view} of {partition} has {progress.rows}, not {expected}"
        passed = self._broker.positions[partition][: progress.offset]
        assert max(passed, default=0) <= progress.position, f"{view} of {partition} passed {max(passed)} by"


class SimulatedViews:
    """The views as one process has them: what it owns, and where it believes to stand."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._positions: dict[tuple[str, int], int] = {}

    def assigned(self, partition: int) -> Resume:
        """Take over."""
        found = self._database.take_over(partition, self._owner)
        for view, (position, _) in found.items():
            self._positions[view, partition] = position
        offsets = [offset for _, offset in found.values()]
        lowest = None if None in offsets else min(offset for offset in offsets if offset is not None)
        return Resume(lowest, min(position for position, _ in found.values()))

    def apply(self, pages: Sequence[PartitionPage]) -> Mapping[int, ViewFenced]:
        """All in one transaction; if that is refused, each view of each partition in one of its own."""
        moves = [move for page in pages for move in self._moves(page)]
        if self._database.refuses():
            return self._commit_apart(moves)
        try:
            self._commit(moves)
        except ViewFenced:
            return self._commit_apart(moves)
        return {}

    def _commit_apart(self, moves: Sequence[Move]) -> dict[int, ViewFenced]:
        fenced: dict[int, ViewFenced] = {}
        for move in moves:
            try:
                self._commit([move])
            except ViewFenced as another:
                fenced[move.partition] = another
        return fenced

    def _moves(self, page: PartitionPage) -> list[Move]:
        repeated = Bug.NO_REDELIVERY_CHECK in self._database.bugs
        moves: list[Move] = []
        for view in VIEWS:
            stands = self._positions[view, page.partition]
            new = [each.position for each in page.events if each.position > stands or repeated]
            if new:
                moves.append(Move(view, page.partition, stands, new, page.next_offset))
        return moves

    def _commit(self, moves: Sequence[Move]) -> None:
        if moves:
            self._database.commit(self._owner, moves)
            for move in moves:
                self._positions[move.view, move.partition] = move.page[-1]

    def revoked(self, partition: int) -> None:
        """Forget."""
        for view in VIEWS:
            self._positions.pop((view, partition), None)
