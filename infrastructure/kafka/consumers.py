"""The role `project`: follows the activity topic and folds it into the views, each event with one effect.

One thread runs FastStream's loop. The client's callbacks, the folding of a batch and the taking up of
partitions that wait exclude each other by a lock; the first two are already called in turn by FastStream.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import psycopg
from sqlalchemy import exc

from domain.shared.errors import Kind, RuleBroken
from infrastructure.activity_log.payload import Decoder
from infrastructure.activity_log.reading import EventReader
from infrastructure.failpoints import hit
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.consumer_assignment import Assignment, Held
from infrastructure.kafka.consumer_metrics import Observer, StatedViews, hole_found
from infrastructure.kafka.consumer_partition import (
    Events,
    Fetched,
    LogRows,
    PartitionedViews,
    Source,
    by_partition,
)
from infrastructure.kafka.partitions import partition_of
from infrastructure.kafka.topics import TOPICS
from infrastructure.observability import tracing
from infrastructure.observability.seams import TracedViews
from infrastructure.roles.role import RoleStatus
from projections.engine.collection import uncollected

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
    from confluent_kafka.admin import AdminClient

    from infrastructure.activity_log import DatabaseActivityLog
    from infrastructure.settings import Settings

GROUP = "optaic-mlops-project"
AWAY = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
"""What a database that does not answer looks like: it is waited for."""
_TICK_S = 0.1
_LOOK_EVERY = 20
"""Ticks between two looks at the topic."""
_LOOK_S = 1.0
_STOP_S = 45.0
_logger = logging.getLogger(__name__)


class KafkaClientFailed(RuleBroken):
    """The client gave up for good: another process has its name, or the broker refuses it."""

    kind = Kind.UNAVAILABLE
    remedy = "Give each process an instance name of its own; then start the role again."


class Consumed(NamedTuple):
    """What the consumers work on."""

    views: StatedViews
    log: LogRows
    events: Events
    epoch: str
    """The life of this log (`optaic_ops.store_epoch`)."""


def open_consumers(settings: "Settings", log: "DatabaseActivityLog", opened: ExitStack) -> "Consumers":
    """The role over the service's views in the database of the settings; whoever calls closes `opened`.

    Raises KafkaNotNamed, and what opening views may.
    """
    from infrastructure.kafka.relay_progress import read_epoch
    from infrastructure.postgres.connections import engine
    from infrastructure.views import open_partitioned_views

    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    views = open_partitioned_views(url)
    opened.callback(views.close)
    rows = engine(url, application_name="optaic-mlops project", pool_size=1)
    opened.callback(rows.dispose)
    consumed = Consumed(views, log, EventReader(Decoder()), read_epoch(rows))
    instance = f"project-{settings.worker_name}" if settings.worker_name else None
    return Consumers(Kafka.of(settings), consumed, (*AWAY, *views.away), instance=instance)


class Consumers:
    """`infrastructure.roles.role.Role`. `instance` is a name that this process keeps over restarts and no
    other has: with it a restarted process has its partitions back at once, without one after a session.
    """

    def __init__(
        self,
        kafka: Kafka,
        consumed: Consumed,
        away: tuple[type[Exception], ...],
        *,
        topic: str = TOPICS.activity,
        group: str = GROUP,
        instance: str | None = None,
    ) -> None:
        self._kafka = kafka
        self._consumed = consumed
        self._away = away
        self._topic = topic
        self._group = group
        self._instance = instance
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._assignment: Assignment | None = None
        self._flow: Any = None
        self._failure: BaseException | None = None
        self._kafka_trouble: str | None = None
        self._dropped = set[int]()
        self._admin: AdminClient | None = None
        self._identity: str | None = None
        """Which topic of that name it is."""
        self._shut_out: str | None = None
        """What the client said when it gave up for good."""
        self._observer = Observer(consumed.views)

    # --- the role ---

    def start(self) -> None:
        """Follow the topic in a thread of its own, as soon as the broker answers."""
        self._thread = threading.Thread(target=self._run, name="consumers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the page in hand and leave the group; twice is once."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
            self._thread = None

    @property
    def failure(self) -> BaseException | None:
        """What ended the work for good, if something did."""
        return self._failure

    def status(self) -> RoleStatus:
        """Which partitions are held, and how they stand."""
        assignment = self._assignment
        held = dict(assignment.held) if assignment is not None else {}
        stopped = self._observer.stopped()
        troubles = [f"partition {number}: {each.cause}" for number, each in held.items() if each.cause]
        troubles += [f"Kafka: {self._kafka_trouble}"] * bool(self._kafka_trouble)
        detail = "; ".join(troubles + [f"{name} stopped: {error}" for name, error in stopped.items()])
        ready = assignment is not None and not troubles and self._failure is None
        return RoleStatus(
            ready=ready,
            detail=str(self._failure or detail or f"folds {len(held)} partitions of {self._topic}"),
            facts={
                "partitions": {str(number): _stands(each) for number, each in sorted(held.items())},
                "stopped_views": dict(stopped),
            },
        )

    # --- the thread ---

    def _run(self) -> None:
        try:
            asyncio.run(self._follow())
        except BaseException as failure:
            _logger.exception("the consumers ended")
            self._failure = failure

    async def _follow(self) -> None:
        """As a member of the group; one that the broker shut out for its name comes back without it."""
        partitions = await asyncio.to_thread(self._partitions)
        if partitions is None:
            return
        source = Source(
            self._consumed.log,
            self._consumed.events,
            self._consumed.epoch,
            partial(partition_of, partitions=partitions),
            hole_found,
        )
        for instance in (self._instance, None):
            await self._as_member(instance, partitions, source)
            if self._shut_out is None or self._failure is not None:
                return
            _logger.warning("shut out, this consumer comes back without a lasting name: %s", self._shut_out)
            if instance is None:
                self._failure = KafkaClientFailed(self._shut_out)
                return
            self._shut_out = None

    async def _as_member(self, instance: str | None, partitions: int, source: Source) -> None:
        """Until told to stop, a failure, or the client's end."""
        from infrastructure.kafka.consumer_client import (
            Calls,
            ConfluentFlow,
            FatalWatch,
            Member,
            activity_subscriber,
        )

        self._flow = ConfluentFlow(self._topic)
        self._assignment = Assignment(_observed(self._consumed.views), source, self._away)
        self._dropped = set()
        member = Member(self._topic, self._group, instance)
        calls = Calls(self._on_assign, self._on_revoke, self._on_error, self._handle)
        client_id = f"optaic-project-{uuid4().hex[:12]}"
        broker = activity_subscriber(self._kafka, member, calls, client_id, _logger)
        with FatalWatch(_logger, client_id, self._on_fatal):
            await broker.start()
            try:
                for tick in count():
                    if self._stopping.is_set() or self._failure is not None or self._shut_out:
                        break
                    await asyncio.sleep(_TICK_S)
                    await self._guarded(self._retry)
                    if tick % _LOOK_EVERY == 0:
                        await self._guarded(partial(self._look, partitions))
            finally:
                await broker.stop()

    def _on_fatal(self, text: str) -> None:
        self._shut_out = text

    def _partitions(self) -> int | None:
        """The topic's number of partitions as soon as it can be known; None when told to stop."""
        from infrastructure.kafka.clients import KafkaUnreachable
        from infrastructure.kafka.topics import TopicMissing, admin_client, partition_count, topic_identity

        self._admin = admin_client(self._kafka)
        while not self._stopping.is_set():
            try:
                self._identity = topic_identity(self._admin, self._topic)
                found = partition_count(self._admin, self._topic)
            except (KafkaUnreachable, TopicMissing) as error:
                self._kafka_trouble = f"{error.detail}. {error.remedy}"
                self._stopping.wait(1.0)
            else:
                self._kafka_trouble = None
                return found
        return None

    async def _handle(self, messages: Sequence["Message"]) -> None:
        await self._guarded(partial(self._fold_uncollected, messages))

    async def _guarded(self, work: Callable[[], None]) -> None:
        """Run in a thread, so that the loop goes on; what is not foreseen ends the role."""
        try:
            await asyncio.to_thread(work)
        except Exception as failure:
            _logger.exception("the consumers cannot go on")
            self._failure = self._failure or failure

    def _retry(self) -> None:
        assert self._assignment is not None
        with self._turn:
            self._assignment.retry(self._flow)

    def _look(self, partitions: int) -> None:
        """The client mends what it can without a word; who operates it wants to know all the same."""
        assert self._assignment is not None
        with self._turn:
            dropped = self._flow.dropped(self._assignment.held)
        if dropped and dropped == self._dropped:
            detail = f"the client dropped the partitions {sorted(dropped)}"
            self._failure = self._failure or KafkaClientFailed(detail)
        self._dropped = dropped
        trouble = self._flow.trouble(partitions)
        if trouble and not self._kafka_trouble:
            _logger.warning("Kafka: %s", trouble)
        self._kafka_trouble = trouble
        if trouble is None:
            self._notice_another_topic()

    def _notice_another_topic(self) -> None:
        """The client goes on at its offsets in a topic made anew under the name, and may wait at its end for
        a next message while what lies before is new: the rows say what is missing.
        """
        from infrastructure.kafka.topics import topic_identity

        assert self._admin is not None
        assert self._assignment is not None
        found = topic_identity(self._admin, self._topic, _LOOK_S)
        if found is None or found == self._identity:
            return
        if self._identity is not None:
            _logger.warning("%s was replaced: its partitions are taken again", self._topic)
            with self._turn:
                self._assignment.begin_again("the topic was replaced", self._flow)
        self._identity = found

    def _fold_uncollected(self, messages: Sequence["Message"]) -> None:
        with uncollected():
            self._fold(messages)

    def _fold(self, messages: Sequence["Message"]) -> None:
        assert self._assignment is not None
        hit("consumer.after_poll")
        self._kafka_trouble = None
        recorded_at_ms = messages[-1].timestamp()[1]
        fetched = by_partition((_partition(each), _fetched(each)) for each in messages)
        if self._stopping.is_set() or self._failure is not None:
            return
        with self._turn:
            for number, position in self._assignment.take(fetched, self._flow).items():
                behind = self._flow.behind(number, fetched[number][-1].offset + 1)
                self._observer.folded(number, position, behind, recorded_at_ms)

    # --- the client's callbacks, in its thread ---

    def _on_assign(self, consumer: "Consumer", partitions: Sequence["TopicPartition"]) -> None:
        numbers = [each.partition for each in partitions]
        _logger.info("given partitions %s", numbers)
        self._called_back(lambda assignment: self._flow.begin(consumer, numbers, assignment.gained(numbers)))

    def _on_revoke(self, _consumer: "Consumer", partitions: Sequence["TopicPartition"]) -> None:
        numbers = [each.partition for each in partitions]
        _logger.info("partitions %s are taken away", numbers)
        self._called_back(lambda assignment: assignment.lost(numbers))
        self._observer.forget(numbers)

    def _called_back(self, work: Callable[[Assignment], None]) -> None:
        """The client would lose an error of a callback: it is kept, and ends the role."""
        assert self._assignment is not None
        try:
            with self._turn:
                work(self._assignment)
        except BaseException as failure:
            _logger.exception("the consumers cannot go on")
            self._failure = self._failure or failure

    def _on_error(self, error: "KafkaError") -> None:
        """It is said until messages come again."""
        self._kafka_trouble = error.str()


def _observed(views: PartitionedViews) -> PartitionedViews:
    return TracedViews(views) if tracing.is_on() else views


def _stands(held: Held) -> dict[str, Any]:
    return {
        "state": held.state.value,
        "position": held.consumer.position if held.consumer else None,
        "cause": held.cause or None,
    }


def _fetched(message: "Message") -> Fetched:
    headers: Any = message.headers() or ()
    return Fetched(message.offset() or 0, message.key(), message.value(), headers)


def _partition(message: "Message") -> int:
    return message.partition() or 0
