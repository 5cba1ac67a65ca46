"""The actors of a simulation: the real step of the relay and the real core of a consumer, each in a process
that may die at any commit.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias, Union

from infrastructure.activity_log.payload import Decoder
from infrastructure.activity_log.reading import EventReader
from infrastructure.kafka.consumer_assignment import Assignment
from infrastructure.kafka.consumer_partition import Fetched, Source
from infrastructure.kafka.holes import PartitionChain
from infrastructure.kafka.relay import Delivered, RelayFenced, RelayStep
from infrastructure.kafka.relay_producer import DeliveryFailed
from tests.simulation.broker import PARTITIONS, SimulatedProducer
from tests.simulation.database import SimulatedViews
from tests.simulation.faults import Bug, DatabaseAway

if TYPE_CHECKING:
    from tests.simulation.intake_actor import IntakeActor
    from tests.simulation.world import World

Actor: TypeAlias = Union["RelayActor", "ConsumerActor", "IntakeActor"]

EPOCH = "simulated"
_EVENTS = EventReader(Decoder())


class RelayProgress:
    """`infrastructure.kafka.relay.ProgressRows` in the simulated database."""

    def __init__(self, world: "World", owner: str) -> None:
        self._world = world
        self._owner = owner

    def take(self) -> None:
        """Become the owner."""
        self._world.database.trouble("before")
        self._world.database.relay.owner = self._owner

    def tenants(self, names: Iterable[str]) -> Mapping[str, int]:
        """The last published position of tenants."""
        self._world.database.trouble("read")
        known = self._world.database.relay.tenants
        return {name: known[name] for name in names if name in known}

    def move(
        self, expected: int, to: int, delivered: Mapping[int, Delivered], tenants: Mapping[str, int]
    ) -> None:
        """All in one transaction, if this owner stands there."""
        self._world.database.trouble("before")
        row = self._world.database.relay
        is_fenced = row.owner != self._owner or row.position != expected
        if is_fenced and Bug.RELAY_NO_FENCE not in self._world.bugs:
            raise RelayFenced(f"{row.owner} is at {row.position}")
        assert not is_fenced, f"{self._owner} moved the relay's progress, which is {row.owner}'s"
        row.position = to
        row.tenants.update(tenants)
        row.delivered.update({number: last.position for number, last in delivered.items()})
        self._world.database.trouble("after")


class RelayActor:
    """A relay process: publishes, or has been replaced and does not know it yet."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self._world = world
        self._progress = RelayProgress(world, name)
        self._step: RelayStep | None = None
        self._producer = SimulatedProducer(world)
        self.is_replaced = False

    def act(self) -> None:
        """The next page."""
        try:
            if self._step is None:
                self._step = self._begin()
            self._step.run()
        except (DatabaseAway, DeliveryFailed):
            self.abandon()
        except RelayFenced:
            self.is_replaced = True
            self.abandon()

    def _begin(self) -> RelayStep:
        self._progress.take()
        row = self._world.database.relay
        chain = PartitionChain(PARTITIONS, row.delivered)
        return RelayStep(
            self._world.database,
            self._progress,
            self._producer,
            epoch=EPOCH,
            position=row.position,
            page=self._world.random.choice((1, 3, 7)),
            chain=chain,
        )

    def abandon(self) -> None:
        """What was on its way may arrive or not."""
        self._producer.abandon()
        self._producer = SimulatedProducer(self._world)
        self._step = None


class ConsumerActor:
    """A process of the role `project`: the group's callbacks, then a batch, as FastStream calls them."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.frozen = 0
        self._world = world
        self._believed: set[int] = set()
        self._next: dict[int, int] = {}
        self._held: set[int] = set()
        self._in_hand: dict[int, list[Fetched]] = {}
        source = Source(world.database, _EVENTS, EPOCH, world.database.partition_of, world.hole_found)
        self.assignment = Assignment(
            SimulatedViews(world.database, name),
            source,
            (DatabaseAway,),
            clock=world.clock,
            chance=world.random.random,
        )

    def act(self) -> None:
        """Fold what is in hand, else ask for more."""
        if self._in_hand:
            self._fold()
        else:
            self._poll()

    def _poll(self) -> None:
        self._hear()
        self.assignment.retry(self)
        order = self._world.random.sample(sorted(self._next), len(self._next))
        for number in order:
            found = self._fetch(number)
            if found:
                self._in_hand[number] = found

    def _fetch(self, number: int) -> list[Fetched]:
        if number in self._held:
            return []
        found = self._world.broker.fetch(number, self._next[number], self._world.random.randint(1, 9))
        self._next[number] += len(found)
        self._world.fetched[number] = max(self._world.fetched.get(number, 0), self._next[number])
        return found

    def _fold(self) -> None:
        pages, self._in_hand = self._in_hand, {}
        self.assignment.take(pages, self)

    def _hear(self) -> None:
        """What the group has to say."""
        group = self._world.group
        given_up = group.to_give_up(self.name, self._believed)
        self._forget(given_up)
        self.assignment.lost(given_up)
        if self.name not in group.members:
            group.join(self.name)
        taken = group.to_take(self.name)
        self._believed |= taken
        offsets = self.assignment.gained(sorted(taken))
        for number in taken:
            self._held.discard(number)
            self._next[number] = self._start(number, offsets.get(number))
            if number not in offsets:
                self.hold(number)

    def _start(self, number: int, offset: int | None) -> int:
        if Bug.KAFKA_OFFSETS in self._world.bugs:
            return self._world.fetched.get(number, 0)
        return offset or 0

    def _forget(self, numbers: set[int]) -> None:
        self._believed -= numbers
        for number in numbers:
            self._next.pop(number, None)

    # --- Flow ---

    def go_on(self, partition: int, offset: int | None) -> None:
        """Fetch from here."""
        self._held.discard(partition)
        self._next[partition] = self._start(partition, offset)

    def hold(self, partition: int) -> None:
        """Fetch nothing."""
        self._held.add(partition)
