"""The role `intake`: commands of other services go to the bus, and what became of them goes to Kafka.

One thread runs FastStream's loop; a batch is worked on in another one, tenants side by side in a small pool.
The order is: commands on the log, answers on the brokers, offsets committed. A process that dies in between
leaves its commands to whoever has the partition next, who finds them decided and answers them the same.
"""

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infrastructure.failpoints import hit
from infrastructure.kafka.clients import Kafka, KafkaUnreachable
from infrastructure.kafka.intake import Answer, Commands, Intake, Step
from infrastructure.kafka.intake_reading import Reader, Source
from infrastructure.kafka.topics import TOPICS, TopicMissing, Topics, admin_client, partition_count
from infrastructure.observability.metrics import COMMANDS, DEAD_LETTERS
from infrastructure.roles.role import RoleStatus

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

GROUP = "optaic-mlops-intake"
SIDE_BY_SIDE = 32
"""Tenants whose commands are decided at the same time, so that the log commits them in groups."""
STEP_S = 10.0
"""No command begins later than this after its batch was polled; the rest is polled again."""
_BACKOFF_S, _BACKOFF_MOST_S = 0.02, 2.0
_TICK_S = 0.1
_STOP_S = 60.0
_logger = logging.getLogger(__name__)


class CommandIntake:
    """`infrastructure.roles.role.Role`. Any number of processes may share the partitions."""

    def __init__(
        self,
        bus: Commands,
        kafka: Kafka,
        sources: Mapping[str, Source],
        *,
        topics: Topics = TOPICS,
        group: str = GROUP,
        step_s: float = STEP_S,
    ) -> None:
        """`sources`: CloudEvents source → whose commands they are; all others are put aside."""
        self._intake = Intake(Reader(sources), bus, _away())
        self._kafka = kafka
        self._topics = topics
        self._group = group
        self._step_s = step_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="intake")
        self._answers: Any = None
        self._consumer: Consumer | None = None
        self._held: set[int] = set()
        self._counts: dict[str, int] = {}
        self._trouble: str | None = "has no connection yet"
        self._failure: BaseException | None = None
        self._attempts = 0

    # --- the role ---

    def start(self) -> None:
        """Take commands in a thread of its own, as soon as the broker answers."""
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the commands in hand, answer them, commit, leave the group; twice is once."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
            self._thread = None

    @property
    def failure(self) -> BaseException | None:
        """What ended the work for good, if something did."""
        return self._failure

    def status(self) -> RoleStatus:
        """Which partitions are held, and what was answered since the start."""
        detail = f"takes commands of {len(self._held)} partitions of {self._topics.commands}"
        facts = {"partitions": sorted(self._held), "answered": dict(self._counts), "trouble": self._trouble}
        ready = self._failure is None and self._trouble is None
        return RoleStatus(ready=ready, detail=str(self._failure or self._trouble or detail), facts=facts)

    # --- the loop ---

    def _run(self) -> None:
        try:
            asyncio.run(self._follow())
        except BaseException as failure:
            _logger.exception("the intake ended")
            self._failure = failure
        finally:
            self._pool.shutdown()
            self._held = set()

    async def _follow(self) -> None:
        from infrastructure.kafka.intake_client import Answers, commands_subscriber

        if not await asyncio.to_thread(self._await_topics):
            return
        self._answers = Answers(self._kafka, self._topics)
        broker = commands_subscriber(
            self._kafka,
            self._topics.commands,
            self._group,
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_error=self._on_error,
            handle=self._handle,
            logger=_logger,
        )
        await broker.start()
        try:
            await asyncio.to_thread(self._until_the_end)
        finally:
            await broker.stop()
            self._answers.close()

    def _until_the_end(self) -> None:
        while not self._stopping.wait(_TICK_S):
            if self._failure is not None:
                return

    def _await_topics(self) -> bool:
        """Wait until the three topics are there; False: told to stop."""
        admin = admin_client(self._kafka)
        names = (self._topics.commands, self._topics.results, self._topics.dead_letters)
        while not self._stopping.is_set():
            try:
                for name in names:
                    partition_count(admin, name)
            except (KafkaUnreachable, TopicMissing) as error:
                self._trouble = f"{error.detail}. {error.remedy}"
                self._stopping.wait(1.0)
            else:
                self._trouble = None
                return True
        return False

    async def _handle(self, messages: Sequence["Message"]) -> None:
        try:
            await asyncio.to_thread(self._take, messages)
        except BaseException as failure:
            if self._failure is None and not isinstance(failure, asyncio.CancelledError):
                _logger.exception("the intake cannot go on")
                self._failure = failure
            raise

    # --- a batch ---

    def _take(self, messages: Sequence["Message"]) -> None:
        from infrastructure.kafka.intake_client import AnswersUndelivered, record_of

        hit("intake.after_poll")
        records = [record_of(each) for each in messages]
        pacing = _Pacing(self._stopping, self._step_s, self._say)
        step = self._intake.step(records, pacing, self._pool.map)
        hit("intake.after_send")
        try:
            self._answers.send(step.answers)
        except AnswersUndelivered as error:
            self._say(f"answers wait for Kafka: {error.detail}")
            self._attempts += 1
            pacing.pause(self._attempts)
            self._go_back({(one.topic, one.partition): one.offset for one in reversed(records)})
            return
        self._attempts = 0
        self._count(step.answers)
        self._settle(step)

    def _settle(self, step: Step) -> None:
        from confluent_kafka import KafkaException

        from infrastructure.kafka.intake_client import commit

        hit("intake.before_commit")
        assert self._consumer is not None
        try:
            commit(self._consumer, step.next_offsets)
        except KafkaException as error:
            _logger.warning("the commands will be taken again, here or elsewhere: %s", error)
        if step.left:
            self._go_back(step.left)
        else:
            self._trouble = None

    def _go_back(self, offsets: Mapping[tuple[str, int], int]) -> None:
        from confluent_kafka import KafkaException

        from infrastructure.kafka.intake_client import go_back

        assert self._consumer is not None
        for place, offset in offsets.items():
            try:
                go_back(self._consumer, {place: offset})
            except KafkaException as error:
                _logger.warning("%s[%s] is no longer ours: %s", *place, error)

    def _count(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            self._counts[answer.label] = self._counts.get(answer.label, 0) + 1
            if answer.is_result:
                COMMANDS.labels(answer.label).inc()
            else:
                COMMANDS.labels("dead_letter").inc()
                DEAD_LETTERS.labels(answer.label).inc()
                _logger.warning(
                    "%s[%d]@%d was put aside: %s",
                    answer.record.topic,
                    answer.record.partition,
                    answer.record.offset,
                    answer.label,
                )

    def _say(self, trouble: str) -> None:
        self._trouble = trouble

    # --- the client's callbacks, in its thread ---

    def _on_assign(self, consumer: "Consumer", partitions: Sequence["TopicPartition"]) -> None:
        self._consumer = consumer
        self._held |= {each.partition for each in partitions}
        _logger.info("given partitions %s", [each.partition for each in partitions])

    def _on_revoke(self, _consumer: "Consumer", partitions: Sequence["TopicPartition"]) -> None:
        self._held -= {each.partition for each in partitions}
        _logger.info("partitions %s are taken away", [each.partition for each in partitions])

    def _on_error(self, error: Any) -> None:
        _logger.warning("Kafka: %s", error)


class _Pacing:
    """The time of one step; a role that is to end waits for nothing that is away."""

    def __init__(self, stopping: threading.Event, step_s: float, say: Callable[[str], None]) -> None:
        self._stopping = stopping
        self._deadline = time.monotonic() + step_s
        self._say = say

    def now(self) -> datetime:
        """The system's time."""
        return datetime.now(UTC)

    def is_over(self) -> bool:
        """Too long under way. A role that is to end still finishes what it has polled."""
        return time.monotonic() > self._deadline

    def pause(self, attempt: int) -> bool:
        """Twice as long each time, with jitter."""
        if attempt > 1:
            self._say("commands wait for the database or the log's queue")
        most = min(_BACKOFF_MOST_S, _BACKOFF_S * 2 ** min(attempt, 10))
        self._stopping.wait(random.uniform(most / 2, most))  # noqa: S311 (jitter)
        return not self._stopping.is_set() and not self.is_over()


def _away() -> tuple[type[Exception], ...]:
    """What a database or a store says that cannot be reached."""
    import psycopg
    from sqlalchemy.exc import InterfaceError, OperationalError

    return (
        OperationalError,
        InterfaceError,
        psycopg.OperationalError,
        psycopg.InterfaceError,
        ConnectionError,
        TimeoutError,
    )
