"""A partition's messages become rows: in order, each once, and nothing is passed over."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from domain.shared.activity import RecordedEvent
from infrastructure.activity_log.payload import Decoder
from infrastructure.activity_log.reading import EventReader
from infrastructure.activity_log.record import Row
from infrastructure.kafka.cloud_events import MessageMalformed
from infrastructure.kafka.consumer_assignment import RETAKE_S, RETRY_MOST_S, Assignment, FlowBroken, State
from infrastructure.kafka.consumer_partition import (
    EventUnreadable,
    Fetched,
    MessageOfAnotherLog,
    PartitionConsumer,
    Source,
)
from infrastructure.kafka.holes import ChainBroken, PartitionChain
from infrastructure.kafka.messages import MessageDamaged, to_message
from infrastructure.kafka.partitions import PartitionPage, partition_of
from projections.engine.errors import ViewFenced
from tests.simulation.rows import stored_rows

PARTITIONS = 3
MINE = 0
ROWS = stored_rows(1)


class Away(Exception):
    """The database does not answer."""


@dataclass
class Standing:
    """Where a partition goes on."""

    offset: int | None = None
    position: int = 0


@dataclass
class Views:
    """Keeps what it is given."""

    pages: list[tuple[list[RecordedEvent], int]] = field(default_factory=list)
    standing: Standing = field(default_factory=Standing)
    trouble: Exception | None = None
    owned: set[int] = field(default_factory=set)
    calls: int = 0

    def assigned(self, partition: int) -> Standing:
        self._maybe_raise()
        self.owned.add(partition)
        return self.standing

    def apply(self, pages: Sequence[PartitionPage]) -> Mapping[int, ViewFenced]:
        assert {page.partition for page in pages} <= self.owned
        if isinstance(self.trouble, ViewFenced):
            return {page.partition: self.trouble for page in pages}
        self._maybe_raise()
        self.calls += 1
        for page in pages:
            self.pages.append((list(page.events), page.next_offset))
            self.standing = Standing(page.next_offset, page.events[-1].position)
        return {}

    def revoked(self, partition: int) -> None:
        self.owned.discard(partition)

    def _maybe_raise(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    @property
    def positions(self) -> list[int]:
        return [event.position for page, _ in self.pages for event in page]


class Log:
    def __init__(self, rows: Sequence[Row] = ROWS) -> None:
        self._rows = rows

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        return self._rows[after : after + min(limit, 7)]


def is_mine(row: Row) -> bool:
    return partition_of(row[2], PARTITIONS) == MINE


def messages(rows: Sequence[Row] = ROWS, epoch: str = "e", partition: int = MINE) -> list[Fetched]:
    """What the relay publishes to the partition."""
    last: dict[str, int] = {}
    chain = PartitionChain(PARTITIONS, {})
    found: list[Fetched] = []
    for row in rows:
        message = to_message(row, last.get(row[2], 0), epoch)
        last[row[2]] = row[0]
        header = chain.link(row[2], row[0])
        if partition_of(row[2], PARTITIONS) == partition:
            found.append(Fetched(len(found), message.key, message.value, [*message.headers, header]))
    return found


POSITIONS = [row[0] for row in ROWS if is_mine(row)]


class Desk:
    """One partition under test."""

    def __init__(self, position: int = 0, log: Log | None = None) -> None:
        self.views = Views(owned={MINE})
        self.holes: list[tuple[int, int, int]] = []
        of = partial(partition_of, partitions=PARTITIONS)
        events = EventReader(Decoder())
        self.source = Source(log or Log(), events, "e", of, lambda *hole: self.holes.append(hole))
        self.consumer = PartitionConsumer(MINE, self.source, Standing(None, position))

    def take(self, there: Sequence[Fetched]) -> None:
        """Fold what messages say, page by page."""
        for page in self.consumer.pages(there):
            self.views.apply([page])


def test_messages_become_events_with_the_offset_behind_them() -> None:
    desk = Desk()
    desk.take(messages()[:10])
    desk.take(messages()[10:])
    assert desk.views.positions == POSITIONS
    assert [offset for _, offset in desk.views.pages] == [10, len(POSITIONS)]
    assert desk.consumer.position == POSITIONS[-1]
    assert desk.holes == []


def test_what_comes_again_is_dropped() -> None:
    desk = Desk(position=POSITIONS[4])
    desk.take(messages()[2:8])
    desk.take(messages()[0:8])
    desk.take(messages()[5:12])
    assert desk.views.positions == POSITIONS[5:12]
    assert desk.holes == []


@pytest.mark.parametrize("first", [0, 5])
def test_a_hole_is_filled_from_the_log_before_what_follows(first: int) -> None:
    desk = Desk(position=POSITIONS[first - 1] if first else 0)
    there = messages()
    desk.take(there[first + 3 : first + 9])
    desk.take(there[first + 15 :])
    assert desk.views.positions == POSITIONS[first:]
    holes = [(desk.holes[0][1], desk.holes[0][2]), (desk.holes[1][1], desk.holes[1][2])]
    before = POSITIONS[first - 1] if first else 0
    assert holes == [(before, POSITIONS[first + 3]), (POSITIONS[first + 8], POSITIONS[first + 15])]


def test_a_hole_of_another_tenant_shows_at_the_next_message_of_the_partition() -> None:
    tenants = [row[2] for row in ROWS if is_mine(row)]
    gone = next(n for n in range(1, len(tenants)) if tenants[n] != tenants[n + 1])
    desk = Desk()
    desk.take([each for each in messages()[: gone + 2] if each.offset != gone])
    assert desk.views.positions == POSITIONS[: gone + 2]
    assert len(desk.holes) == 1


def test_the_offset_does_not_pass_a_message_that_is_not_folded() -> None:
    desk = Desk()
    desk.take(messages()[0:1] + messages()[9:10])
    offsets = [offset for page, offset in desk.views.pages if page[-1].position < POSITIONS[9]]
    assert max(offsets) == 1


def test_without_the_chain_of_the_partition_a_tenant_chain_still_shows_a_hole() -> None:
    bare = [each._replace(headers=each.headers[:-1]) for each in messages()]
    desk = Desk()
    desk.take(bare[4:])
    assert desk.views.positions == POSITIONS
    assert desk.holes


def test_a_hole_that_can_no_longer_be_filled_in_order_stops_the_partition() -> None:
    bare = [each._replace(headers=each.headers[:-1]) for each in messages()]
    tenants = [each.key for each in bare]
    gone = next(
        n for n in range(1, len(tenants)) if tenants[n] in tenants[:n] and tenants[n] != tenants[n + 1]
    )
    desk = Desk()
    with pytest.raises(ChainBroken):
        desk.take([each for each in bare if each.offset != gone])
    assert desk.views.positions == [
        each for each in POSITIONS[: len(desk.views.positions) + 1] if each != POSITIONS[gone]
    ]


def test_what_the_log_lacks_stops_the_partition() -> None:
    desk = Desk(log=Log(ROWS[:3]))
    with pytest.raises(ChainBroken):
        desk.take(messages()[10:])
    assert desk.views.positions == [each for each in POSITIONS if each <= 3]


def broken(message: Fetched, how: str) -> Fetched:
    match how:
        case "damaged":
            return message._replace(value=(message.value or b"") + b" ")
        case "foreign":
            return message._replace(headers=[("content-type", b"text/plain")])
        case _:
            return message._replace(headers=[*message.headers[:-1], ("ce_partitionprevious", b"x")])


@pytest.mark.parametrize(
    ("how", "error"),
    [("damaged", MessageDamaged), ("foreign", MessageMalformed), ("unchained", MessageMalformed)],
)
def test_a_message_that_cannot_be_read_stops_the_partition_in_front_of_it(how: str, error: Any) -> None:
    there = messages()[:8]
    there[5] = broken(there[5], how)
    desk = Desk()
    with pytest.raises(error):
        desk.take(there)
    assert desk.views.positions == POSITIONS[:5]
    assert desk.views.pages[-1][1] == 5


def test_a_message_of_another_log_stops_the_partition() -> None:
    desk = Desk()
    with pytest.raises(MessageOfAnotherLog, match="of the log other"):
        desk.take([*messages()[:3], *messages(epoch="other")[3:5]])
    assert desk.views.positions == POSITIONS[:3]


def changed(place: int, **columns: Any) -> tuple[Row, ...]:
    index = next(number for number, row in enumerate(ROWS) if row[0] == POSITIONS[place])
    row = list(ROWS[index])
    for name, value in columns.items():
        row[{"topic": 7, "payload": 18}[name]] = value
    return (*ROWS[:index], tuple(row), *ROWS[index + 1 :])


def test_an_event_that_this_code_does_not_know_only_advances() -> None:
    desk = Desk()
    desk.take(messages(changed(4, topic="of_tomorrow.happened:1"))[:8])
    assert desk.views.positions == POSITIONS[:8]
    assert [event.event is None for event in desk.views.pages[0][0]].index(True) == 4


def test_a_whole_record_whose_payload_cannot_be_decoded_stops_the_partition() -> None:
    desk = Desk()
    with pytest.raises(EventUnreadable) as caught:
        desk.take(messages(changed(4, payload=b'{"no": "such"}'))[:8])
    assert caught.value.facts["position"] == POSITIONS[4]
    assert desk.views.positions == POSITIONS[:4]
    assert desk.views.pages[-1][1] == 0, "the offset does not pass what is not folded"


# --- the assignment ---


class Flow:
    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int | None]] = []
        self.is_broken = False

    def go_on(self, partition: int, offset: int | None) -> None:
        if self.is_broken:
            raise FlowBroken("not now")
        self.calls.append(("go_on", partition, offset))

    def hold(self, partition: int) -> None:
        self.calls.append(("hold", partition, None))


class Office:
    """An assignment with a clock that only the test moves."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.views = self.desk.views
        self.now = 0.0
        self.flow = Flow()
        self.assignment = Assignment(
            self.views, self.desk.source, (Away,), clock=lambda: self.now, chance=lambda: 0.0
        )

    def take(self, there: Sequence[Fetched]) -> int | None:
        """Its position if it has them all."""
        return self.assignment.take({MINE: there}, self.flow).get(MINE)

    def state(self) -> State:
        return self.assignment.held[MINE].state

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.assignment.retry(self.flow)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def test_an_assignment_begins_where_the_rows_are_and_reads_the_last_message_once_more() -> None:
    office = Office()
    office.views.standing = Standing(7, POSITIONS[6])
    assert office.assignment.gained([MINE]) == {MINE: 6}
    assert office.take(messages()[6:]) == POSITIONS[-1]
    assert office.views.positions == POSITIONS[7:]


def test_another_message_where_the_last_one_lay_shows_what_is_missing() -> None:
    """The topic was replaced and has nothing behind the offset: no later message would tell."""
    office = Office()
    office.views.standing = Standing(7, POSITIONS[3])
    assert office.assignment.gained([MINE]) == {MINE: 6}
    assert office.take(messages()[6:7]) == POSITIONS[6]
    assert office.views.positions == POSITIONS[4:7]


def test_partitions_of_a_replaced_topic_are_taken_again() -> None:
    office = Office()
    office.assignment.gained([MINE])
    office.take(messages()[:5])
    office.assignment.begin_again("replaced", office.flow)
    assert (office.state(), office.flow.calls) == (State.WAITING, [("hold", MINE, None)])
    office.pass_time(0)
    assert (office.state(), office.flow.calls[-1]) == (State.FOLDING, ("go_on", MINE, 4))


def test_while_the_database_is_away_pauses_grow_and_nothing_is_lost() -> None:
    office = Office()
    office.assignment.gained([MINE])
    office.take(messages()[:5])
    office.views.trouble = Away("gone")
    assert office.take(messages()[5:9]) is None
    assert (office.state(), office.flow.calls) == (State.WAITING, [("hold", MINE, None)])
    pauses: list[float] = []
    for _ in range(8):
        pauses.append(office.assignment.held[MINE].due - office.now)
        office.pass_time(pauses[-1])
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.2
    assert pauses[-1] == RETRY_MOST_S
    office.views.trouble = None
    assert office.take(messages()[9:]) is None, "held back until it is taken again"
    office.pass_time(RETRY_MOST_S)
    assert office.flow.calls[-1] == ("go_on", MINE, 4)
    office.take(messages()[4:])
    assert office.views.positions == POSITIONS


def test_who_is_fenced_leaves_the_partition_to_the_other_for_a_while() -> None:
    office = Office()
    office.assignment.gained([MINE])
    office.views.trouble = ViewFenced("another's")
    office.take(messages()[:5])
    office.views.trouble = None
    assert (office.state(), office.views.owned) == (State.WAITING, set())
    office.pass_time(RETAKE_S - 0.1)
    assert office.views.owned == set()
    office.pass_time(0.2)
    assert office.views.owned == {MINE}
    assert office.state() is State.FOLDING


def test_pages_of_several_partitions_are_folded_together() -> None:
    office = Office()
    there = {number: messages(partition=number) for number in range(PARTITIONS)}
    office.assignment.gained(there)
    taken = office.assignment.take(there, office.flow)
    assert office.views.calls == 1
    assert sorted(office.views.positions) == [row[0] for row in ROWS]
    assert taken == {
        number: int(dict(page[-1].headers)["ce_sequence"] or 0) for number, page in there.items()
    }


def test_a_partition_that_stops_holds_up_no_other() -> None:
    office = Office()
    there = {number: messages(partition=number) for number in range(PARTITIONS)}
    there[MINE][5] = broken(there[MINE][5], "damaged")
    office.assignment.gained(there)
    assert sorted(office.assignment.take(there, office.flow)) == [1, 2]
    assert office.state() is State.STOPPED
    assert office.flow.calls == [("hold", MINE, None)]
    mine = [position for position in office.views.positions if position in POSITIONS]
    assert mine == POSITIONS[:5]
    assert sum(map(len, there.values())) - len(POSITIONS) == len(office.views.positions) - len(mine)


def test_a_partition_that_is_lost_is_never_taken_again() -> None:
    office = Office()
    office.views.trouble = Away("gone")
    assert office.assignment.gained([MINE]) == {}
    office.views.trouble = None
    office.assignment.lost([MINE])
    office.pass_time(10)
    assert office.views.owned == set()
    assert office.take(messages()) is None


def test_a_stopped_partition_says_why_and_waits_for_somebody() -> None:
    office = Office()
    office.assignment.gained([MINE])
    office.take(messages(epoch="other")[:2])
    office.pass_time(1_000)
    held = office.assignment.held[MINE]
    assert held.state is State.STOPPED
    assert "message.of_another_log" in held.cause
    assert "republish" in held.cause
    assert office.take(messages()) is None


def test_a_client_that_cannot_go_on_is_asked_again() -> None:
    office = Office()
    office.views.trouble = Away("gone")
    office.assignment.gained([MINE])
    office.views.trouble = None
    office.flow.is_broken = True
    office.pass_time(1)
    assert office.state() is State.WAITING
    office.flow.is_broken = False
    office.pass_time(1)
    assert office.state() is State.FOLDING
