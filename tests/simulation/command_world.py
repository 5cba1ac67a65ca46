"""The whole way of a command in one history: another service, the intakes, the log, the relay, the views."""

from collections import Counter
from typing import Any
from uuid import UUID

import msgspec

from infrastructure.kafka.dead_letters import Record
from tests.projections.support.memory_log import MemoryLog
from tests.simulation.actors import Actor
from tests.simulation.broker import PARTITIONS, Group
from tests.simulation.commands import TOPIC, Clients, CommandTopics, Sent
from tests.simulation.faults import Bug, Chances, CommandBug
from tests.simulation.intake_actor import IntakeActor, decided_in_turn
from tests.simulation.rows import TENANTS
from tests.simulation.world import World

COMMANDS_WHILE_BUSY, COMMANDS = 70, 90
INTAKES = 2
REUSED = "command.id_reused"


class CommandWorld(World):
    """A world whose log is written by nobody but the intakes."""

    busy_steps = 240
    quiet_steps = 900

    def __init__(
        self,
        seed: int,
        faults: frozenset[CommandBug] = frozenset(),
        chances: Chances | None = None,
        bugs: frozenset[Bug] = frozenset(),
    ) -> None:
        super().__init__(seed, bugs, chances)
        self.faults = faults
        self.memory = MemoryLog()
        self.topics = CommandTopics()
        self.intake_group = Group(self.random)
        self._clients = Clients(self.random)
        self._put = 0
        self.intakes = [IntakeActor(self, self._name("intake")) for _ in range(INTAKES)]

    # --- the scheduler ---

    def _actors(self) -> tuple[Actor, ...]:
        return (*super()._actors(), *self.intakes)

    def _restart(self, actor: Actor) -> None:
        if isinstance(actor, IntakeActor):
            self.intakes[self.intakes.index(actor)] = IntakeActor(self, self._name("intake"))
        else:
            super()._restart(actor)

    def _write(self) -> None:
        self._put_until(min(COMMANDS_WHILE_BUSY, self._put + self.random.randint(1, 4)))

    def _finish_writing(self) -> None:
        self._put_until(COMMANDS)

    def _put_until(self, count: int) -> None:
        while self._put < count:
            self._put += 1
            self.topics.put(self._clients.next())

    def _regroup(self) -> None:
        super()._regroup()
        self._regrouped(self.intake_group, {each.name for each in self.intakes if not each.frozen})

    # --- the checks ---

    def _is_done(self) -> bool:
        ends = {number: len(sent) for number, sent in enumerate(self.topics.sent)}
        committed = {number: self.topics.committed.get(number, 0) for number in range(PARTITIONS)}
        return committed == ends and super()._is_done()

    def _check(self) -> None:
        super()._check()
        for number, sent in enumerate(self.topics.sent):
            assert self.topics.committed.get(number, 0) == len(sent), f"commands of {number} are not taken"
        effects = Counter(event.command_id for event in self.memory.events)
        assert set(effects.values()) <= {1}, f"more than one effect: {effects.most_common(3)}"
        self._check_dead_letters()
        for tenant in TENANTS:
            self._check_tenant(tenant)

    def _check_dead_letters(self) -> None:
        places = {
            (number, offset)
            for number, partition in enumerate(self.topics.sent)
            for offset, sent in enumerate(partition)
            if sent.command_id is None
        }
        assert set(self.topics.dead_letters) == places, "what is no command is put aside, and nothing else"

    def _check_tenant(self, tenant: str) -> None:
        """Effects and answers are those of the tenant's commands one after the other, in topic order."""
        sent = [one for part in self.topics.sent for one in part if one.tenant == tenant and one.command_id]
        undisturbed = MemoryLog()
        answers = decided_in_turn(
            [Record(TOPIC, 0, offset, *one.message) for offset, one in enumerate(sent)], undisturbed
        )
        wanted = [(one.command_id, one.payload) for one in undisturbed.events]
        found = [(one.command_id, one.payload) for one in self.memory.events if one.tenant == tenant]
        assert found == wanted, f"{tenant}: other effects, or in another order"
        due: dict[UUID, list[dict[str, Any]]] = {}
        for one, answer in zip(sent, answers, strict=True):
            due.setdefault(_known(one), []).append(msgspec.json.decode(answer.value or b""))
        for command_id, said in due.items():
            self._check_answers(command_id, said)

    def _check_answers(self, command_id: UUID, due: list[dict[str, Any]]) -> None:
        found = self.topics.results.get(command_id, [])
        for reused in (False, True):
            mine = {_essence(one) for one in found if (one.get("code") == REUSED) is reused}
            wanted = {_essence(one) for one in due if (one.get("code") == REUSED) is reused}
            assert mine == wanted, f"{command_id}: {mine}, not {wanted}"
        first = [one for one in found if one.get("code") != REUSED]
        assert all(one == first[0] for one in first), f"{command_id}: results differ: {first}"
        if first[0]["outcome"] == "accepted":
            event = self.memory.events[first[0]["position"] - 1]
            assert event.command_id == command_id, f"{command_id}: its result names another's position"


def _known(sent: Sent) -> UUID:
    assert sent.command_id is not None
    return sent.command_id


def _essence(said: dict[str, Any]) -> tuple[str, ...]:
    """A result without its position, which depends on what other tenants do."""
    names = ("outcome", "code", "refs", "versions")
    return tuple(str(said.get(name)) for name in names)
