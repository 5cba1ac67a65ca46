"""Commands of another service over a real broker onto a real PostgreSQL log."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from kafka import KafkaProducer

from domain.shared.errors import LogBusy
from infrastructure.kafka.cloud_events import Message, binary
from infrastructure.kafka.dead_letters import Record
from infrastructure.kafka.intake import Answer
from infrastructure.kafka.intake_client import Answers, AnswersUndelivered
from infrastructure.kafka.intake_reading import TYPE_PREFIX
from tests.kafka.intake_child import TENANTS
from tests.kafka.intake_desk import IntakeDesk, dataset
from tests.support.processes import wait_until


@pytest.fixture
def desk(log_database, kafka, topics, tmp_path) -> Iterator[IntakeDesk]:
    desk = IntakeDesk(log_database, kafka, topics, tmp_path)
    try:
        yield desk
    finally:
        desk.close()


class Service:
    """Another service with a plain producer, which keeps what it knows of each command."""

    def __init__(self, desk: IntakeDesk) -> None:
        self.desk = desk
        self.producer: Any = KafkaProducer(
            bootstrap_servers=desk.kafka.bootstrap,
            acks="all",
            enable_idempotence=True,
            max_request_size=2 << 20,
        )
        self.history: dict[UUID, str] = {}
        """`ok`: the brokers acknowledged it; `unknown`: they may have it."""

    def command(self, tenant: str, name: str, command_id: UUID | None = None) -> Message:
        known = command_id or uuid4()
        body = {"command_id": str(known), "type": "create_dataset", "data": dataset(name)}
        source = f"/optaic/{tenant}/datahub"
        attributes = {"id": str(known), "source": source, "type": f"{TYPE_PREFIX}create_dataset"}
        return binary(attributes, msgspec.json.encode(body), tenant)

    def put(self, message: Message) -> Any:
        return self.producer.send(
            self.desk.topics.commands, key=message.key, value=message.value, headers=message.headers
        )

    def send(self, *messages: Message) -> None:
        sent = [(one, self.put(one)) for one in messages]
        for one, acknowledged in sent:
            command_id = UUID(dict(one.headers)["ce_id"].decode())
            self.history[command_id] = "unknown"
            acknowledged.get(timeout=30)
            self.history[command_id] = "ok"

    def close(self) -> None:
        self.producer.close()


@pytest.fixture
def service(desk) -> Iterator[Service]:
    service = Service(desk)
    yield service
    service.close()


def check(desk: IntakeDesk, history: dict[UUID, str]) -> None:
    """Every acknowledged command has one effect and a result that says so; nothing else has any."""
    effects, results = desk.effects(), desk.results()
    acknowledged = {command_id for command_id, known in history.items() if known == "ok"}
    assert acknowledged <= set(effects)
    assert set(effects) <= set(history)
    assert set(effects.values()) == {1}
    position = {one.command_id: one.position for one in desk.events()}
    assert acknowledged <= set(results)
    for command_id, said in results.items():
        assert {(one["outcome"], one["position"]) for one in said} == {("accepted", position[command_id])}


def in_order(desk: IntakeDesk, sent: dict[str, list[str]]) -> None:
    """Each tenant's effects stand in the log in the order in which they were sent."""
    for tenant, names in sent.items():
        assert desk.datasets(tenant) == names


def test_a_service_sends_a_command_and_reads_what_became_of_it(desk):
    desk.intake()
    publisher = desk.publisher(on_behalf_of="p_ada")
    sent = publisher.send("create_dataset", dataset("us-prices"), reason="a new feed")
    said = publisher.wait_for_result(sent)
    assert (said.outcome, said.position, said.refs) == ("accepted", 1, ("dataset:us-prices",))
    (event,) = desk.events()
    assert (event.actor.principal, event.actor.on_behalf_of) == ("service:datahub", "p_ada")

    publisher.send("create_dataset", dataset("us-prices"), command_id=sent, reason="a new feed")
    again = publisher.wait_for_result(sent)
    assert again == said

    publisher.send("create_dataset", dataset("eu-prices"), command_id=sent)
    assert publisher.wait_for_result(sent).code == "command.id_reused"

    twice = publisher.wait_for_result(publisher.send("create_dataset", dataset("us-prices")))
    assert (twice.is_refused, twice.code, twice.position) == (True, "dataset.exists", 1)

    stale = publisher.send(
        "compact_dataset", {"dataset": "us-prices"}, expected_versions={"dataset:us-prices": 7}
    )
    assert publisher.wait_for_result(stale).code == "stream.version_stale"
    assert len(desk.events()) == 1


def test_what_is_no_command_is_put_aside_with_its_bytes_and_the_next_one_is_taken(desk, service):
    desk.intake()
    good = service.command("acme", "us-prices")
    foreign = Message(b"acme", good.value, [*good.headers, ("ce_source", b"/optaic/acme/stranger")])
    strange = {
        "malformed": Message(b"acme", b"\xff\x00 no event", [("trace", b"\x01\xff")]),
        "oversized": Message(b"acme", b"x" * 1_100_000, []),
        "foreign_tenant": foreign,
        "not_allowed": Message(
            b"acme", b"{}", [*good.headers, ("ce_type", b"optaic.mlops.command.start_run")]
        ),
        "unknown_command": Message(b"acme", b"{}", [*good.headers, ("ce_type", b"optaic.mlops.command.tea")]),
    }
    for one in strange.values():
        service.put(one).get(30)
    service.send(good)
    wait_until(lambda: len(desk.results()) == 1, "no result")
    put_aside = {headers["dlq-reason"].decode(): (one, headers) for one, headers in desk.dead_letters()}
    assert set(put_aside) == set(strange)
    for reason, came in strange.items():
        record, headers = put_aside[reason]
        assert (record.key, record.value) == (came.key, came.value)
        assert list(record.headers[: len(came.headers)]) == list(came.headers)
        assert headers["dlq-topic"].decode() == desk.topics.commands
    check(desk, service.history)


def test_five_thousand_messages_across_rebalances_have_one_effect_a_command_and_keep_their_order(
    desk, service
):
    first = desk.intake()
    sent = {tenant: [f"d-{number:03}" for number in range(152)] for tenant in TENANTS}
    messages = {(t, n): service.command(t, n) for t, names in sent.items() for n in names}
    in_turn = [messages[tenant, name] for name in sent[TENANTS[0]] for tenant in TENANTS]
    half = len(in_turn) // 2
    begin, again = in_turn[:half], [*in_turn[half // 2 :], *reversed(in_turn[half:]), *in_turn]
    assert len(begin) + len(again) >= 5_000
    service.send(*begin)
    second = desk.intake()
    service.send(*again)
    first.stop()
    wait_until(lambda: len(desk.results()) == len(messages), "results are missing", 60)
    second.stop()
    assert (first.failure, second.failure) == (None, None)
    check(desk, service.history)
    in_order(desk, sent)


@pytest.mark.parametrize("place", ["intake.after_poll", "intake.after_send", "intake.before_commit"])
def test_a_process_killed_anywhere_leaves_one_effect_and_a_result_of_every_command(desk, service, place):
    killed = desk.child(f"{place}=kill@3")
    sent: dict[str, list[str]] = {tenant: [] for tenant in TENANTS}
    for turn in range(10):
        names = [(tenant, f"d-{turn}-{number}") for number in range(5) for tenant in TENANTS]
        service.send(*(service.command(*one) for one in names))
        for tenant, name in names:
            sent[tenant].append(name)
        taken = len(service.history)
        wait_until(lambda at=taken: desk.log.head() >= at or not killed.is_running, "nothing is taken")
    assert not killed.is_running, "the failpoint was not reached"
    desk.intake()
    wait_until(lambda: len(desk.results()) == len(service.history), "results are missing", 60)
    check(desk, service.history)
    in_order(desk, sent)


class SometimesBusy:
    """A bus whose queue is full at every third try."""

    def __init__(self, bus: Any) -> None:
        self.bus = bus
        self.calls = 0

    def send(self, command: Any, sender: Any) -> Any:
        self.calls += 1
        if self.calls % 3 == 0:
            raise LogBusy("the queue is full")
        return self.bus.send(command, sender)

    def outcome(self, tenant: str, command_id: UUID) -> Any:
        return self.bus.outcome(tenant, command_id)


def test_a_full_queue_is_waited_for_and_steps_that_end_early_lose_nothing(desk, service):
    role = desk.intake(SometimesBusy(desk.bus), step_s=0.1)
    sent = {tenant: [f"d-{number:03}" for number in range(10)] for tenant in TENANTS}
    service.send(*(service.command(tenant, name) for tenant, names in sent.items() for name in names))
    wait_until(lambda: len(desk.results()) == 120, f"results are missing: {role.status()}", 30)
    check(desk, service.history)
    in_order(desk, sent)


def test_a_stopped_intake_has_committed_everything_that_it_answered(desk, service):
    role = desk.intake()
    with ThreadPoolExecutor(4) as callers:
        messages = [service.command(tenant, f"d-{number}") for number in range(20) for tenant in TENANTS]
        list(callers.map(service.send, messages))
        wait_until(lambda: bool(desk.results()), "nothing was answered")
    role.stop()
    role.stop()
    answered = role.status().facts["answered"]["accepted"]
    rest = desk.intake()
    wait_until(
        lambda: answered + rest.status().facts["answered"].get("accepted", 0) >= len(messages),
        f"commands are missing: {answered} and {rest.status()}",
    )
    assert sum(map(len, desk.results().values())) == len(desk.results()) == len(messages)
    check(desk, service.history)


def test_answers_that_kafka_does_not_take_are_not_counted_as_sent(desk, kafka, topics):
    record = Record(topics.commands, 0, 0, b"acme", b"", None)
    answers = Answers(kafka, topics)
    with pytest.raises(AnswersUndelivered):
        answers.send([Answer(record, False, b"acme", b"x" * (5 << 20), [], "malformed")])
    answers.send([Answer(record, False, b"acme", b"x", [], "malformed")])
    answers.close()
    assert [one.value for one, _ in desk.dead_letters()] == [b"x"]
