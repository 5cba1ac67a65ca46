"""The broker of a simulation: partitions that only grow, a producer's messages on their way, and a group."""

from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING

from infrastructure.kafka.cloud_events import Message
from infrastructure.kafka.consumer_partition import Fetched
from infrastructure.kafka.holes import PARTITION_PREVIOUS
from infrastructure.kafka.messages import from_message, to_message
from infrastructure.kafka.partitions import partition_of
from infrastructure.kafka.relay import Delivered
from infrastructure.kafka.relay_producer import DeliveryFailed
from tests.simulation.faults import Bug

if TYPE_CHECKING:
    from tests.simulation.world import World

PARTITIONS = 3


class Broker:
    """What lies in the topic, and what is still on its way from producers that are gone."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.partitions: list[list[Message]] = [[] for _ in range(PARTITIONS)]
        self.positions: list[list[int]] = [[] for _ in range(PARTITIONS)]
        self.lost: set[int] = set()
        """Positions that were acknowledged and not kept."""
        self._limbo: list[tuple[int, Message]] = []

    def keep(self, position: int, message: Message) -> tuple[int, int]:
        """Append; returns partition and offset. With bad luck the message is acknowledged and gone."""
        partition = partition_of(message.key.decode(), PARTITIONS)
        if self._world.luck(self._world.chances.lost_message):
            self.lost.add(position)
        else:
            self.partitions[partition].append(message)
            self.positions[partition].append(position)
        return partition, len(self.partitions[partition]) - 1

    def leave_behind(self, messages: list[tuple[int, Message]]) -> None:
        """Messages of a producer that is gone: some of them, in order, may still arrive."""
        self._limbo = messages[: self._world.random.randint(0, len(messages))]

    def arrive(self) -> None:
        """The next of those left behind arrives."""
        if self._limbo:
            self.keep(*self._limbo.pop(0))

    def fetch(self, partition: int, offset: int, most: int) -> list[Fetched]:
        """Messages from an offset on."""
        found = self.partitions[partition][offset : offset + most]
        return [Fetched(number, *message) for number, message in enumerate(found, offset)]


class SimulatedProducer:
    """`infrastructure.kafka.relay.Producer`: what is handed over arrives when the relay waits for it."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._pending: list[tuple[int, Message]] = []

    def send(self, message: Message, position: int, at_ms: int) -> None:
        """Hand over."""
        del at_ms
        self._pending.append((position, self._as_bugs_want(message)))

    def settle(self) -> Mapping[int, Delivered]:
        """Everything arrives, or only a beginning and the delivery fails; meanwhile the world goes on."""
        if Bug.PROGRESS_BEFORE_ACKNOWLEDGEMENT in self._world.bugs:
            late, self._pending = self._pending, []
            self._world.broker.leave_behind(late)
            return {}
        self._world.meanwhile()
        last: dict[int, Delivered] = {}
        while self._pending:
            if self._world.luck(self._world.chances.broker_crash):
                self.abandon()
                raise DeliveryFailed("the broker went away")
            position, message = self._pending.pop(0)
            partition, offset = self._world.broker.keep(position, message)
            last[partition] = Delivered(position, offset)
        return last

    def abandon(self) -> None:
        """The producer is gone."""
        left, self._pending = self._pending, []
        self._world.broker.leave_behind(left)

    def _as_bugs_want(self, message: Message) -> Message:
        bugs = self._world.bugs
        if Bug.NO_HOLE_DETECTION in bugs:
            row, _, epoch = from_message(message.headers, message.key, message.value)
            return to_message(row, 0, epoch)
        if Bug.TENANT_CHAIN_ONLY in bugs:
            headers = [each for each in message.headers if each[0] != PARTITION_PREVIOUS]
            return message._replace(headers=headers)
        return message


class Group:
    """The consumer group: who should have which partition, and who still has it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.members: list[str] = []
        self.wanted: dict[int, str] = {}
        self.holders: dict[int, str] = {}

    def join(self, member: str) -> None:
        """A new member: everything is dealt out anew."""
        self.members.append(member)
        self.deal()

    def expel(self, member: str) -> None:
        """A member that was not heard of for too long; it does not know."""
        self.members = [each for each in self.members if each != member]
        self.holders = {number: holder for number, holder in self.holders.items() if holder != member}
        self.deal()

    def deal(self) -> None:
        """Deal the partitions out to the members."""
        order = self._random.sample(self.members, len(self.members))
        self.wanted = {number: order[number % len(order)] for number in range(PARTITIONS) if order}

    def to_give_up(self, member: str, believed: set[int]) -> set[int]:
        """What a member believes to have and has to give up."""
        given_up = {number for number in believed if self.wanted.get(number) != member}
        given_up |= {number for number in believed if self.holders.get(number) != member}
        for number in given_up:
            if self.holders.get(number) == member:
                del self.holders[number]
        return given_up

    def to_take(self, member: str) -> set[int]:
        """What a member is given now: nobody holds it any more."""
        taken = {
            number
            for number, wanted in self.wanted.items()
            if wanted == member and number not in self.holders
        }
        self.holders.update(dict.fromkeys(taken, member))
        return taken
