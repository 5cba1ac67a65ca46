"""An intake of a simulation: the real step on the real bus, in a process that may die between two acts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from application.bus import Bus, Sender
from application.context import Services
from application.handlers import HANDLERS
from application.ports import ActivityLog, Outcome
from domain.shared.command import Command
from domain.shared.errors import LogBusy
from infrastructure.kafka.dead_letters import Record
from infrastructure.kafka.intake import Answer, Intake, Step
from infrastructure.kafka.intake_reading import Reader
from tests.projections.support.memory_log import MemoryLog
from tests.simulation.commands import SOURCES, TOPIC
from tests.simulation.faults import CommandBug, DatabaseAway
from tests.simulation.rows import row_of
from tests.support.adapters import FixedClock, SeededIds

if TYPE_CHECKING:
    from tests.simulation.command_world import CommandWorld

A = TypeVar("A")
B = TypeVar("B")


def bus_on(log: ActivityLog) -> Bus:
    """The real bus and handlers; the stores are never asked."""
    unused: Any = None
    services = Services(
        log=log,
        artifacts=unused,
        datasets=unused,
        packages=unused,
        sessions=unused,
        lookups=unused,
        clock=FixedClock(),
        ids=SeededIds(),
    )
    return Bus(services, HANDLERS)


class TroubledLog:
    """The log in memory, with what may happen to whoever asks it; its events are the database's log."""

    def __init__(self, world: "CommandWorld", lanes: "Lanes") -> None:
        self._world = world
        self._lanes = lanes

    def append(self, *arguments: Any, **named: Any) -> Outcome:
        """Recorded, or not, or recorded and nobody knows."""
        if self._world.luck(self._world.chances.away):
            raise LogBusy("the queue is full")
        return self._written(self._world.memory.append, *arguments, **named)

    def refuse(self, *arguments: Any) -> Outcome:
        """Kept in the same way."""
        return self._written(self._world.memory.refuse, *arguments)

    def outcome(self, tenant: str, command_id: UUID) -> Outcome | None:
        """The first outcome."""
        self._world.trouble("read")
        if CommandBug.NO_LOOK_UP in self._world.faults:
            return None
        return self._world.memory.outcome(tenant, command_id)

    def load(self, *arguments: Any) -> Any:
        """Read; others go on afterwards, so that what was read may be old."""
        self._world.trouble("read")
        found = self._world.memory.load(*arguments)
        self._lanes.go_on_beside()
        self._world.meanwhile()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.memory, name)

    def _written(self, write: Callable[..., Outcome], *arguments: Any, **named: Any) -> Outcome:
        self._world.trouble("before")
        memory = self._world.memory
        if CommandBug.NO_LOOK_UP in self._world.faults:
            memory._outcomes.pop((arguments[0].tenant, arguments[0].command_id), None)
        outcome = write(*arguments, **named)
        known = self._world.database.log
        known += [row_of(each) for each in memory.events[len(known) :]]
        self._world.trouble("after")
        return outcome


class Lanes:
    """`intake.Mapped`: while one lane waits for the log, others are run, as beside it in a pool."""

    def __init__(self, world: "CommandWorld") -> None:
        self._world = world
        self._waiting: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]:
        """The results in the order of the items."""
        lanes: list[Any] = list(items)
        if CommandBug.KEY_SIDE_BY_SIDE in self._world.faults:
            lanes = [[record] for lane in lanes for record in lane]
        results: dict[int, B] = {}

        def run(number: int) -> None:
            results[number] = work(lanes[number])

        order = self._world.random.sample(range(len(lanes)), len(lanes))
        self._waiting = [lambda number=number: run(number) for number in order]
        while self._waiting:
            self._waiting.pop()()
        return (results[number] for number in sorted(results))

    def go_on_beside(self) -> None:
        """The lane that runs waits."""
        while self._waiting and self._world.luck(3):
            self._waiting.pop()()


class Pacing:
    """A step that may end at any time, and whose pauses are the others' turns."""

    def __init__(self, world: "CommandWorld") -> None:
        self._world = world
        self._is_over = False

    def now(self) -> datetime:
        """Never asked for its value."""
        return datetime(2026, 3, 14, tzinfo=UTC)

    def is_over(self) -> bool:
        """Once over, it stays so."""
        self._is_over = self._is_over or self._world.luck(self._world.chances.away)
        return self._is_over

    def pause(self, attempt: int) -> bool:
        """Wait; after some attempts there is no time left."""
        self._world.meanwhile()
        self._is_over = self._is_over or attempt > 3
        return not self._is_over


class NotingBus:
    """Notes which commands were repetitions."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.repeated: set[UUID] = set()

    def send(self, command: Command, sender: Sender) -> Outcome:
        """As the bus."""
        outcome = self._bus.send(command, sender)
        if outcome.repeated and sender.command_id is not None:
            self.repeated.add(sender.command_id)
        return outcome

    def outcome(self, tenant: str, command_id: UUID) -> Outcome | None:
        """As the bus."""
        return self._bus.outcome(tenant, command_id)


class IntakeActor:
    """A process of the role `intake`: what the group says, a batch, its answers, the commit."""

    def __init__(self, world: "CommandWorld", name: str) -> None:
        self.name = name
        self.frozen = 0
        self._world = world
        self._lanes = Lanes(world)
        self._bus = NotingBus(bus_on(cast("ActivityLog", TroubledLog(world, self._lanes))))
        self._intake = Intake(Reader(SOURCES), self._bus, (DatabaseAway,))
        self._next: dict[int, int] = {}
        self._in_hand: list[Record] = []

    def act(self) -> None:
        """Work on what is in hand, else poll."""
        if not self._in_hand:
            self._poll()
            return
        records, self._in_hand = self._in_hand, []
        self._take(records)

    def _poll(self) -> None:
        self._hear()
        for number in self._world.random.sample(sorted(self._next), len(self._next)):
            most = self._world.random.randint(0, 8)
            found = self._world.topics.fetch(number, self._next[number], most)
            self._next[number] += len(found)
            self._in_hand += found
        if CommandBug.COMMIT_BEFORE_EFFECT in self._world.faults:
            self._commit(dict(self._next))
        self._world.maybe_crash()

    def _hear(self) -> None:
        group = self._world.intake_group
        for number in group.to_give_up(self.name, set(self._next)):
            del self._next[number]
        if self.name not in group.members:
            group.join(self.name)
        for number in group.to_take(self.name):
            self._next[number] = self._world.topics.committed.get(number, 0)

    def _take(self, records: Sequence[Record]) -> None:
        step = self._intake.step(records, Pacing(self._world), self._lanes)
        self._world.maybe_crash()
        if CommandBug.COMMIT_BEFORE_ANSWER in self._world.faults:
            self._settle(records, step)
            self._world.maybe_crash()
        delivered = self._send(step.answers)
        if not delivered and CommandBug.ANSWERS_UNDELIVERED_GO_ON not in self._world.faults:
            self._go_back({one.partition: one.offset for one in reversed(records)})
            return
        self._world.maybe_crash()
        self._settle(records, step)

    def _send(self, answers: Sequence[Answer]) -> bool:
        """All arrive, or only some, or the process dies in between."""
        for answer in answers:
            if self._world.luck(self._world.chances.broker_crash):
                return False
            if self._world.luck(10):
                self._world.maybe_crash()
            if not self._is_withheld(answer):
                self._world.topics.keep(answer)
        self._world.meanwhile()
        return True

    def _is_withheld(self, answer: Answer) -> bool:
        if CommandBug.NO_ANSWER_TO_A_REPETITION not in self._world.faults or not answer.is_result:
            return False
        sent = self._world.topics.sent[answer.record.partition][answer.record.offset]
        return sent.command_id in self._bus.repeated

    def _settle(self, records: Sequence[Record], step: Step) -> None:
        offsets = {number: offset for (_, number), offset in step.next_offsets.items()}
        left = {number: offset for (_, number), offset in step.left.items()}
        if CommandBug.LEFT_IS_COMMITTED in self._world.faults:
            offsets, left = {one.partition: one.offset + 1 for one in records}, {}
        self._commit(offsets)
        self._go_back(left)

    def _commit(self, offsets: dict[int, int]) -> None:
        """The broker refuses it to one that the partition was taken from, or does not answer."""
        if self._world.luck(self._world.chances.broker_crash):
            return
        for number, offset in offsets.items():
            if self._world.intake_group.holders.get(number) == self.name:
                self._world.topics.committed[number] = offset

    def _go_back(self, offsets: dict[int, int]) -> None:
        for number, offset in offsets.items():
            if number in self._next:
                self._next[number] = offset


def decided_in_turn(records: Sequence[Record], log: MemoryLog) -> list[Answer]:
    """What an intake answers to which nothing happens: the oracle."""

    class Endless:
        def now(self) -> datetime:
            return datetime(2026, 3, 14, tzinfo=UTC)

        def is_over(self) -> bool:
            return False

        def pause(self, attempt: int) -> bool:
            raise AssertionError(f"{TOPIC}: attempt {attempt} where nothing is away")

    intake = Intake(Reader(SOURCES), bus_on(cast("ActivityLog", log)), ())
    return list(intake.step(records, Endless()).answers)
