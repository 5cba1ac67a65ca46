"""Where the service is watched: the bus, the log's writer, the relay's producer, the consumers' views."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from application.bus import Bus, Sender
from application.ports import Outcome
from domain.shared.command import Command
from domain.shared.errors import RuleBroken, StreamConflict
from infrastructure.activity_log.batch_writer import Answer
from infrastructure.activity_log.group_commit import GroupCommit
from infrastructure.activity_log.submission import Submission
from infrastructure.observability import tracing
from infrastructure.observability.logs import bound
from infrastructure.observability.metrics import (
    APPEND_QUEUE,
    APPEND_SECONDS,
    CONFLICTS,
    EVENTS_APPENDED,
    REFUSALS,
)

if TYPE_CHECKING:
    from infrastructure.kafka.cloud_events import Message
    from infrastructure.kafka.consumer_partition import PartitionedViews, Resume
    from infrastructure.kafka.partitions import PartitionPage
    from infrastructure.kafka.relay import Delivered, Producer
    from projections.engine.errors import ViewFenced


class ObservedBus(Bus):
    """The bus, with refusals counted, entries named and commands traced."""

    def send(self, command: Command, sender: Sender, *, dry_run: bool = False) -> Outcome:
        """As `Bus.send`."""
        command_id = sender.command_id
        if command_id is None:
            command_id = self._services.ids.command_id()
            sender = msgspec.structs.replace(sender, command_id=command_id, looks_first=False)
        correlation_id = sender.correlation_id or command_id
        with (
            bound(command_id=command_id, correlation_id=correlation_id, tenant=sender.tenant),
            tracing.command(command.TYPE, correlation_id, command_id) as span,
        ):
            try:
                outcome = super().send(command, sender, dry_run=dry_run)
            except RuleBroken as broken:
                REFUSALS.labels(broken.code).inc()
                span.set_attribute("optaic.refused", broken.code)
                raise
            span.set_attribute("optaic.position", outcome.position)
            return outcome


def observe_appends(commit: GroupCommit) -> None:
    """Count and measure what the log's writer does in this process."""
    APPEND_QUEUE.set_function(lambda: commit.waiting)
    commit.observer = _appended


def _appended(submission: Submission, answer: Answer, began: float) -> None:
    if isinstance(answer, Outcome):
        if submission.events:
            APPEND_SECONDS.observe(time.perf_counter() - began)
            if not answer.repeated and answer.kind == "accepted":
                EVENTS_APPENDED.inc(len(submission.events))
    elif isinstance(answer, StreamConflict):
        CONFLICTS.inc()


class TracedProducer:
    """The relay's producer; what Kafka acknowledged gets its spans."""

    def __init__(self, producer: "Producer") -> None:
        self._producer = producer
        self._sent: list[tuple[str, str, str, int]] = []
        self._began_ns = 0

    def send(self, message: "Message", position: int, at_ms: int) -> None:
        """As the producer's."""
        self._producer.send(message, position, at_ms)
        if tracing.is_on():
            if not self._sent:
                self._began_ns = time.time_ns()
            named = dict(message.headers)
            ids = (named[name].decode() for name in ("ce_correlationid", "ce_commandid", "ce_id"))
            self._sent.append((*ids, position))  # type: ignore[arg-type]

    def settle(self) -> "Mapping[int, Delivered]":
        """As the producer's."""
        delivered = self._producer.settle()
        sent, self._sent = self._sent, []
        tracing.published(sent, self._began_ns)
        return delivered


class TracedViews:
    """The consumers' views; entries written while a page is folded name where, its events get their spans."""

    def __init__(self, views: "PartitionedViews") -> None:
        self._views = views

    def assigned(self, partition: int) -> "Resume":
        """As the views'."""
        return self._views.assigned(partition)

    def apply(self, pages: "Sequence[PartitionPage]") -> "Mapping[int, ViewFenced]":
        """As the views'."""
        began_ns = time.time_ns()
        partitions = ",".join(str(page.partition) for page in pages)
        with bound(partitions=partitions, position=max(page.events[-1].position for page in pages)):
            fenced = self._views.apply(pages)
        if tracing.is_on():
            folded = (one for page in pages if page.partition not in fenced for one in page.events)
            tracing.projected([(one.correlation_id, one.event_id, one.position) for one in folded], began_ns)
        return fenced

    def revoked(self, partition: int) -> None:
        """As the views'."""
        self._views.revoked(partition)
