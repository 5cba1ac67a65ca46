"""One simulated history: a seed decides who acts, what goes wrong, and when."""

from collections.abc import Callable
from functools import partial
from random import Random

from infrastructure.kafka.partitions import partition_of
from tests.simulation.actors import Actor, ConsumerActor, RelayActor
from tests.simulation.broker import PARTITIONS, Broker, Group
from tests.simulation.database import VIEWS, Database
from tests.simulation.faults import Bug, Chances, Crashed, DatabaseAway
from tests.simulation.rows import LONGEST, VARIETY, stored_rows

BUSY_STEPS = 160
QUIET_STEPS = 600
EVENTS_WHILE_BUSY = 80
CONSUMERS, RELAYS = 3, 2


class World:
    """Everything of one history."""

    busy_steps = BUSY_STEPS
    quiet_steps = QUIET_STEPS

    def __init__(self, seed: int, bugs: frozenset[Bug] = frozenset(), chances: Chances | None = None) -> None:
        self.random = Random(seed)
        self.bugs = bugs
        self.chances = chances or Chances()
        self.now = 0.0
        self.names = 0
        self.holes: list[tuple[int, int, int]] = []
        self.fetched: dict[int, int] = {}
        self.broker = Broker(self)
        self.group = Group(self.random)
        self.database = Database(bugs, partial(partition_of, partitions=PARTITIONS), self.broker)
        self.database.trouble = self.trouble
        self.database.refuses = lambda: self.luck(self.chances.refused)
        self._pool = stored_rows(seed % VARIETY)
        self._acting: list[Actor] = []
        self._away = 0
        self.consumers = [ConsumerActor(self, self._name("consumer")) for _ in range(CONSUMERS)]
        self.relays = [RelayActor(self, self._name("relay")) for _ in range(RELAYS)]

    # --- what the parts ask ---

    def clock(self) -> float:
        """Seconds."""
        return self.now

    def luck(self, one_in: int) -> bool:
        """Whether something that happens once in so many times happens now."""
        return one_in > 0 and self.random.randrange(one_in) == 0

    def hole_found(self, partition: int, after: int, until: int) -> None:
        """The alarm of a consumer."""
        self.holes.append((partition, after, until))

    def meanwhile(self) -> None:
        """The one who acts waits; others go on."""
        if self.luck(6) and len(self._acting) < 3:
            for _ in range(self.random.randint(1, 8)):
                self._step()

    def trouble(self, place: str) -> None:
        """What the database does to who acts now: nothing, being away, or being slow; or the process dies."""
        if place == "between":
            self.maybe_crash()
            return
        if self._away or self.luck(self.chances.away):
            self._away = max(0, self._away - 1) if self._away else self.random.randint(1, 6)
            raise DatabaseAway(place)
        if place == "read":
            return
        self.maybe_crash()
        if place == "before":
            self.meanwhile()

    def maybe_crash(self) -> None:
        """The process that acts may end here."""
        if self.luck(self.chances.crash):
            raise Crashed

    # --- the scheduler ---

    def run(self) -> None:
        """The busy time with all its faults, then quiet until nothing is left to do; then the checks."""
        for _ in range(self.busy_steps):
            self._step()
        self.chances = Chances(0, 0, 0, 0, 0, rebalance=10)
        self._away = 0
        for relay in self.relays:
            relay.is_replaced = False
        self._finish_writing()
        for _ in range(self.quiet_steps):
            self._step()
            if self._is_done():
                break
        self._check()

    def _step(self) -> None:
        self.now += self.random.random() * 0.7
        choices: list[Callable[[], None]] = [self._write, self.broker.arrive, self._regroup]
        free = [each for each in self._actors() if each not in self._acting]
        choices += [partial(self._act, each) for each in free] * 2
        self.random.choice(choices)()

    def _actors(self) -> tuple[Actor, ...]:
        return (*self.consumers, *self.relays)

    def _act(self, actor: Actor) -> None:
        if isinstance(actor, RelayActor):
            if actor.is_replaced and not self._may_take_over(actor):
                return
        elif actor.frozen:
            actor.frozen -= 1
            return
        elif self.luck(self.chances.freeze):
            actor.frozen = self.random.randint(3, 15)
            return
        self._acting.append(actor)
        try:
            actor.act()
        except Crashed:
            self._restart(actor)
        finally:
            self._acting.remove(actor)

    def _may_take_over(self, actor: RelayActor) -> bool:
        """A standby becomes active now and then."""
        actor.is_replaced = not self.luck(self.chances.rebalance)
        return not actor.is_replaced

    def _restart(self, actor: Actor) -> None:
        """Another process in place of one that died; the group hears of the death only later."""
        if isinstance(actor, RelayActor):
            actor.abandon()
            self.relays[self.relays.index(actor)] = RelayActor(self, self._name("relay"))
        elif isinstance(actor, ConsumerActor):
            self.consumers[self.consumers.index(actor)] = ConsumerActor(self, self._name("consumer"))

    def _write(self) -> None:
        self._append(min(EVENTS_WHILE_BUSY, self.database.head() + self.random.randint(1, 4)))

    def _finish_writing(self) -> None:
        self._append(LONGEST)

    def _append(self, until: int) -> None:
        self.database.log += self._pool[self.database.head() : until]

    def _regroup(self) -> None:
        """Members that died or are frozen are found out; now and then everything is dealt out anew."""
        self._regrouped(self.group, {each.name for each in self.consumers if not each.frozen})

    def _regrouped(self, group: Group, live: set[str]) -> None:
        for member in [each for each in group.members if each not in live]:
            if self.luck(3):
                group.expel(member)
        if self.luck(self.chances.rebalance):
            group.deal()

    def _name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}-{self.names}"

    # --- the checks ---

    def _is_done(self) -> bool:
        return self.database.relay.position == self.database.head() and all(
            self.database.at(view, number).rows == self.database.of_partition(number, self.database.head())
            for view in VIEWS
            for number in range(PARTITIONS)
        )

    def _check(self) -> None:
        head = self.database.head()
        relayed = self.database.relay.position
        assert relayed == head, f"the relay stands at {relayed} of {head}"
        in_topic = {position for positions in self.broker.positions for position in positions}
        missing = set(range(1, head + 1)) - in_topic
        assert missing <= self.broker.lost, f"{sorted(missing - self.broker.lost)} never came to the topic"
        for number in range(PARTITIONS):
            for view in VIEWS:
                found = self.database.at(view, number).rows
                assert found == self.database.of_partition(number, head), f"{view} of {number}: {found}"
        for lost in missing:
            assert any(after < lost < until for _, after, until in self.holes), f"{lost}: no alarm"
        assert self.broker.lost or not self.holes, f"alarms without a hole: {self.holes}"
