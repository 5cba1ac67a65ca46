"""The role `relay`: one active process that publishes, others that stand by for its turn."""

import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol
from uuid import uuid4

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from domain.shared.errors import RuleBroken
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.holes import PartitionChain
from infrastructure.kafka.relay import PAGE, RelayGapFound, RelayStep
from infrastructure.kafka.relay_producer import ConfluentProducer, TopicReplaced
from infrastructure.kafka.relay_progress import PostgresProgress, StoreEpochMissing, open_rows, read_epoch
from infrastructure.kafka.relay_tail import KafkaAheadOfLog, KafkaOfOtherLog, LogEnd, compare_tail
from infrastructure.kafka.relay_watch import TurnWatch
from infrastructure.kafka.topics import (
    TOPICS,
    TopicCompacted,
    TopicPartitionsChanged,
    TopicRetentionLimited,
    Topics,
    admin_client,
    check_activity,
    make_topics,
)
from infrastructure.observability import tracing
from infrastructure.observability.metrics import (
    RELAY_ACTIVE,
    RELAY_LAG_EVENTS,
    RELAY_LAG_SECONDS,
    RELAY_POSITION,
)
from infrastructure.observability.seams import TracedProducer
from infrastructure.postgres.turns import Turn
from infrastructure.roles.role import RoleStatus

TURN = "relay"
SILENCE_S = 10.0
"""An active relay that its database session does not hear for so long is no longer the active one."""
_IDLE_S = 1.0
_BACKOFF_S, _BACKOFF_MOST_S = 0.1, 10.0
FINAL = (
    KafkaAheadOfLog,
    KafkaOfOtherLog,
    RelayGapFound,
    StoreEpochMissing,
    TopicCompacted,
    TopicPartitionsChanged,
    TopicReplaced,
    TopicRetentionLimited,
)
"""What no waiting mends: the role ends and says what to do."""

_log = logging.getLogger(__name__)


class RelayLog(LogEnd, Protocol):
    """The log as the role follows it."""

    def wait_beyond(self, position: int, timeout_s: float) -> int:
        """Wait until the head is beyond a position, or time is over; returns the head."""
        ...


class _Stopped(Exception):
    """The role is to end while it waits for Kafka."""


class Relay:
    """Publishes the log to the activity topic, in log order, for ever; see `infrastructure.kafka.relay`."""

    def __init__(
        self,
        log: RelayLog,
        database_url: str,
        kafka: Kafka,
        *,
        topics: Topics = TOPICS,
        partitions: int = 6,
        replication: int = 1,
        silence_s: float = SILENCE_S,
        page: int = PAGE,
    ) -> None:
        """`partitions` and `replication` count when the topics are made, at the first start on a new log."""
        self._log = log
        self._database_url = database_url
        self._kafka = kafka
        self._topics = topics
        self._partitions = partitions
        self._replication = replication
        self._page = page
        self._turn = Turn(database_url, TURN, silence_s=silence_s)
        self._look_s = min(_IDLE_S, silence_s / 4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._state = "starting"
        self._ready = False
        self._position = 0
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Begin to stand by, and to publish when it is this one's turn."""
        self._thread.start()

    def status(self) -> RoleStatus:
        """Ready: it publishes, or another one has the turn."""
        head = self._log.head()
        facts = {"position": self._position, "head": head, "lag_events": max(0, head - self._position)}
        return RoleStatus(ready=self._ready, detail=self._state, facts=facts)

    @property
    def failure(self) -> BaseException | None:
        """What ended the relay for good."""
        return self._failure

    def stop(self) -> None:
        """End after the page in hand; twice is once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(30)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                if self._turn.take():
                    self._publish()
                else:
                    self._say("another relay publishes, this one stands by", ready=True)
                    self._stop.wait(self._look_s)
                failures = 0
            except _Stopped:
                break
            except FINAL as error:
                self._fail(error)
            except (RuleBroken, SQLAlchemyError, psycopg.Error) as error:
                failures = 1 if self._ready else failures + 1
                self._back_off(error, failures)
            except Exception as error:
                self._fail(error)
            finally:
                RELAY_ACTIVE.set(0)
        self._turn.release()

    def _fail(self, error: BaseException) -> None:
        self._say(str(error), ready=False)
        _log.error("the relay ends: %s", error, exc_info=error)
        self._failure = error
        self._stop.set()

    def _back_off(self, error: Exception, failures: int) -> None:
        self._turn.release()
        self._say(f"{type(error).__name__}: {error}", ready=False)
        _log.warning("the relay begins again: %s", error)
        most = min(_BACKOFF_MOST_S, _BACKOFF_S * 2 ** min(failures, 10))
        self._stop.wait(random.uniform(most / 2, most))  # noqa: S311 (jitter)

    def _say(self, state: str, *, ready: bool) -> None:
        self._state, self._ready = state, ready

    def _publish(self) -> None:
        """Publish until somebody says stop, or something fails."""
        with TurnWatch(self._turn, self._look_s) as watch, self._opened(watch) as step:
            self._say("publishes", ready=True)
            while not self._stop.is_set():
                watch.ask()
                if not step.run():
                    self._measure(step)
                    self._log.wait_beyond(step.position, self._look_s)
                self._measure(step)

    @contextmanager
    def _opened(self, watch: TurnWatch) -> Iterator[RelayStep]:
        rows = open_rows(self._database_url)
        producer: ConfluentProducer | None = None
        try:
            progress = PostgresProgress(rows, uuid4().hex)
            standing, epoch = progress.take(), read_epoch(rows)
            admin = admin_client(self._kafka)
            if standing is None:
                make_topics(admin, self._topics, self._partitions, self._replication)
            topic = self._topics.activity
            count = check_activity(admin, topic, standing.partitions if standing else None)
            compare_tail(self._kafka, topic, count, standing, self._log, epoch)
            if standing is None:
                progress.begin(count)
            delivered = standing.delivered if standing else {}
            self._position = standing.position if standing else 0
            producer = ConfluentProducer(self._kafka, topic, delivered, partial(self._may_wait, watch))
            RELAY_ACTIVE.set(1)
            yield RelayStep(
                self._log,
                progress,
                TracedProducer(producer) if tracing.is_on() else producer,
                epoch=epoch,
                position=self._position,
                page=self._page,
                chain=PartitionChain(count, {number: last.position for number, last in delivered.items()}),
            )
        finally:
            if producer is not None:
                producer.close()
            rows.dispose()

    def _may_wait(self, watch: TurnWatch) -> None:
        """While Kafka is awaited: a lost turn and the end of the role are heard."""
        self._say("waits for Kafka", ready=False)
        watch.look()
        if self._stop.is_set():
            raise _Stopped

    def _measure(self, step: RelayStep) -> None:
        self._position = step.position
        if not self._ready:
            self._say("publishes", ready=True)
        head = self._log.head()
        RELAY_POSITION.set(step.position)
        RELAY_LAG_EVENTS.set(max(0, head - step.position))
        behind = step.oldest_us is not None and step.position < head
        RELAY_LAG_SECONDS.set(max(0.0, time.time() - (step.oldest_us or 0) / 1e6) if behind else 0.0)
