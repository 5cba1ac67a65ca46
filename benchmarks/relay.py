"""The relay from PostgreSQL to Kafka beside a bare producer that sends the same bytes, in turns in one run.

Run: python -m benchmarks.relay
"""

import contextlib
import secrets
import statistics
import time
from collections.abc import Iterator, Sequence
from uuid import UUID, uuid4

from confluent_kafka import Producer

from domain.run.events import RunMetricsLogged
from domain.run.pins import MetricPoint
from domain.shared.ids import event_id
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.exchange import line_of
from infrastructure.activity_log.log import DatabaseActivityLog
from infrastructure.activity_log.payload import encode_payload
from infrastructure.activity_log.record import Row
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.cloud_events import Message
from infrastructure.kafka.holes import PartitionChain
from infrastructure.kafka.messages import to_message
from infrastructure.kafka.relay import RelayStep
from infrastructure.kafka.relay_producer import ConfluentProducer, relay_options
from infrastructure.kafka.relay_progress import PostgresProgress
from infrastructure.kafka.topics import Topics, admin_client, make_topics
from infrastructure.postgres.connections import engine
from infrastructure.postgres.install import install
from tests.support.kafka import broker_address
from tests.support.postgres import fresh_database, server_url

EVENTS = 60_000
TENANTS = 50
PARTITIONS = 6
ROUNDS = 3
TARGET = 0.5


def rows(count: int) -> Iterator[Row]:
    """A log of metric events, each in a stream of its own."""
    points = tuple(MetricPoint(name="loss", step=step, value=0.5 + step / 7) for step in range(4))
    payload = encode_payload(
        RunMetricsLogged(run_id="run-1", kind="training", instance="spx-alpha", points=points)
    )
    workflow = str(uuid4())
    for position in range(1, count + 1):
        tenant, command = f"tenant-{position % TENANTS}", UUID(int=position)
        identity = str(event_id(tenant, command, 0))
        what = (identity, tenant, str(UUID(int=position)), 1, "training_run", "run-1")
        who = ("training_run.metrics_logged:1", "p_1", "api_key", None, None, str(command), 0)
        yield (position, *what, *who, b"x" * 32, workflow, None, 1_770_000_000_000_000 + position, payload)


def messages_of(log: DatabaseActivityLog) -> list[Message]:
    """What the relay sends, made beforehand."""
    found: list[Message] = []
    last: dict[str, int] = {}
    chain = PartitionChain(PARTITIONS, {})
    while page := log.rows(len(found), 5_000):
        for row in page:
            message = to_message(row, last.get(row[2], 0), log.epoch)
            message.headers.append(chain.link(row[2], row[0]))
            found.append(message)
            last[row[2]] = row[0]
    return found


def topic(kafka: Kafka) -> str:
    """A new activity topic."""
    topics = Topics.prefixed(f"b{secrets.token_hex(4)}.")
    make_topics(admin_client(kafka), topics, PARTITIONS)
    return topics.activity


def bare(kafka: Kafka, messages: Sequence[Message]) -> float:
    """Messages a second of a producer with the relay's settings and nothing else to do."""
    producer, name = Producer(relay_options(kafka)), topic(kafka)
    began = time.perf_counter()
    for key, value, headers in messages:
        while True:
            try:
                producer.produce(name, value, key, headers=headers)  # type: ignore[arg-type]
            except BufferError:
                producer.poll(0.1)
            else:
                break
        producer.poll(0)
    assert producer.flush(60) == 0
    return len(messages) / (time.perf_counter() - began)


def relayed(kafka: Kafka, url: str, log: DatabaseActivityLog) -> float:
    """Messages a second of the relay's step: read, made, sent, acknowledged, progress committed."""
    name = topic(kafka)
    with contextlib.closing(_Rows(url)) as held:
        producer = ConfluentProducer(kafka, name, {}, lambda: None)
        chain = PartitionChain(PARTITIONS, {})
        step = RelayStep(log, held.progress, producer, epoch=log.epoch, position=0, chain=chain)
        began = time.perf_counter()
        while step.run():
            pass
        took = time.perf_counter() - began
        producer.close()
    assert step.position == EVENTS
    return EVENTS / took


class _Rows:
    """The relay's rows, begun at 0."""

    def __init__(self, url: str) -> None:
        self._engine = engine(url, application_name="benchmark", pool_size=1)
        self.progress = PostgresProgress(self._engine, uuid4().hex)
        self.progress.begin(PARTITIONS)

    def close(self) -> None:
        self._engine.dispose()


def main() -> None:
    """Measure and print."""
    with broker_address() as address, server_url() as server, fresh_database(server) as url:
        kafka = Kafka(address)
        install(url)
        with open_postgres_log(url, SystemClock(), owner_allowed=True) as log:
            log.import_from(f"{line_of(row)}\n" for row in rows(EVENTS))
            messages = messages_of(log)
            size = sum(len(part) for one in messages for part in (one.key, one.value)) // EVENTS
            headers = sum(len(name) + len(value) for name, value in messages[0].headers)
            figures = [(bare(kafka, messages), relayed(kafka, url, log)) for _ in range(ROUNDS)]
    raw, ours = (statistics.median(each) for each in zip(*figures, strict=True))
    ratio = ours / raw
    print(f"{EVENTS} events, {size} bytes and {headers} bytes of headers each, {PARTITIONS} partitions\n")
    print("| what | messages / s | ratio | target |")
    print("|---|---:|---:|---:|")
    print(f"| bare idempotent producer, messages made beforehand | {raw:,.0f} | 1.00 | |")
    print(f"| relay: read, make, send, commit the progress | {ours:,.0f} | {ratio:.2f} | ≥ {TARGET} |")


if __name__ == "__main__":
    main()
