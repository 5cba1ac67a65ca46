"""One step of the intake, without threads, sockets or clocks of its own: messages in, answers out.

A message becomes a dead letter, or a command whose outcome becomes a result. What is only away (the database,
a full queue) is no outcome: the command is tried again where it is, after a pause, and whatever has the same
key waits behind it. When the step's time is over, what is not answered is left for the next step. The bus
takes a repeated command id for what it is, so a message may be taken any number of times.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

from application.bus import Sender
from application.ports import Outcome
from domain.shared.command import Command
from domain.shared.errors import CommandIdReused, Kind, RuleBroken, StreamConflict
from infrastructure.kafka.cloud_events import Headers
from infrastructure.kafka.dead_letters import PutAside, Reason, Record, headers_of
from infrastructure.kafka.intake_reading import Asked, Reader
from infrastructure.kafka.results import CommandResult, refused, settled, to_message
from infrastructure.observability import tracing

TRIES = 5
"""A command on which the service itself fails is put aside after so many attempts."""

A = TypeVar("A")
B = TypeVar("B")


class Commands(Protocol):
    """The bus."""

    def send(self, command: Command, sender: Sender) -> Outcome:
        """Decide and record; raises the RuleBroken that refused it."""
        ...

    def outcome(self, tenant: str, command_id: UUID) -> Outcome | None:
        """What the log keeps of a command."""
        ...


class Pacing(Protocol):
    """Time, as far as a step has any."""

    def now(self) -> datetime:
        """The time of answers."""
        ...

    def is_over(self) -> bool:
        """The step is to end: what has not begun is left."""
        ...

    def pause(self, attempt: int) -> bool:
        """Back off before the next attempt; False: the step is to end."""
        ...


class Mapped(Protocol):
    """`map`, or that of a pool."""

    def __call__(self, work: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]:
        """The results in the order of the items."""
        ...


class Answer(NamedTuple):
    """What goes to Kafka for one message."""

    record: Record
    is_result: bool
    """Else a dead letter."""
    key: bytes | None
    value: bytes | None
    headers: Headers
    label: str
    """The result's outcome or the dead letter's reason, for the metrics."""


class Step(NamedTuple):
    """What came of the messages of one poll."""

    answers: Sequence[Answer]
    """In the order of the messages."""
    next_offsets: Mapping[tuple[str, int], int]
    """Topic and partition → the first message that has no answer: what may be committed."""
    left: Mapping[tuple[str, int], int]
    """The same, of partitions that have messages without an answer: there the next step begins."""


class Intake:
    """Commands of one key one after another; different keys side by side, if `mapped` is a pool's."""

    def __init__(self, reader: Reader, bus: Commands, away: tuple[type[Exception], ...]) -> None:
        """`away`: the errors of a database or store that cannot be reached."""
        self._reader = reader
        self._bus = bus
        self._away = away

    def step(self, records: Sequence[Record], pacing: Pacing, mapped: Mapped = map) -> Step:
        """Answer what was polled, as far as time allows."""
        lanes = _by_key(records).values()
        answers = {
            (one.record.topic, one.record.partition, one.record.offset): one
            for lane in mapped(lambda lane: self._lane(lane, pacing), lanes)
            for one in lane
        }
        done = [answers.get((each.topic, each.partition, each.offset)) for each in records]
        return Step([one for one in done if one], *_offsets(records, done))

    def _lane(self, lane: Sequence[Record], pacing: Pacing) -> list[Answer]:
        answers: list[Answer] = []
        for record in lane:
            answer = None if pacing.is_over() else self._answer(record, pacing)
            if answer is None:
                break
            answers.append(answer)
        return answers

    def _answer(self, record: Record, pacing: Pacing) -> Answer | None:
        """None: it was only away until time was over."""
        try:
            asked = self._reader.read(record)
            with (
                tracing.workflow(asked.correlation_id),
                tracing.span("kafka.command", kind="consumer", carrier=record.headers or ()),
            ):
                result = self._decided(asked, pacing)
        except PutAside as aside:
            headers = headers_of(record, aside, pacing.now())
            return Answer(record, False, record.key, record.value, headers, aside.reason.value)
        if result is None:
            return None
        message = to_message(result, asked.sender.tenant, asked.correlation_id, pacing.now())
        return Answer(record, True, message.key, message.value, message.headers, result.outcome)

    def _decided(self, asked: Asked, pacing: Pacing) -> CommandResult | None:
        attempt = failures = 0
        while True:
            attempt += 1
            try:
                return self._asked(asked)
            except (RuleBroken, *self._away):
                pass
            except Exception as error:
                failures += 1
                if failures >= TRIES:
                    raise PutAside(Reason.FAILED, f"{type(error).__name__}: {error}") from error
            if not pacing.pause(attempt):
                return None

    def _asked(self, asked: Asked) -> CommandResult:
        """The result; raises what is no outcome."""
        try:
            return settled(asked.command_id, self._bus.send(asked.command, asked.sender))
        except RuleBroken as broken:
            if broken.kind is Kind.UNAVAILABLE or isinstance(broken, StreamConflict):
                raise
            return refused(asked.command_id, broken, asked.correlation_id, self._kept(asked, broken))

    def _kept(self, asked: Asked, broken: RuleBroken) -> Outcome | None:
        if isinstance(broken, CommandIdReused):
            return None
        return self._bus.outcome(asked.sender.tenant, asked.command_id)


def _by_key(records: Sequence[Record]) -> dict[bytes | None, list[Record]]:
    lanes: dict[bytes | None, list[Record]] = {}
    for record in records:
        lanes.setdefault(record.key, []).append(record)
    return lanes


def _offsets(
    records: Sequence[Record], done: Sequence[Answer | None]
) -> tuple[dict[tuple[str, int], int], dict[tuple[str, int], int]]:
    ahead: dict[tuple[str, int], int] = {}
    left: dict[tuple[str, int], int] = {}
    for record, answer in zip(records, done, strict=True):
        place = (record.topic, record.partition)
        if answer is None:
            left.setdefault(place, record.offset)
        if place not in left:
            ahead[place] = record.offset + 1
    return {**ahead, **left}, left
