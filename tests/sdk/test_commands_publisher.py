"""`optaic.mlops.commands`: what it sends is what the intake reads, and what it hears is what was said."""

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.dead_letters import Record
from infrastructure.kafka.intake_client import Answers
from infrastructure.kafka.intake_reading import Asked, Reader
from infrastructure.kafka.partitions import partition_of
from infrastructure.kafka.results import CommandResult, to_message
from infrastructure.kafka.topics import Topics, admin_client, make_topics
from infrastructure.settings import CommandSource
from optaic.mlops.commands import CommandPublisher
from tests.kafka.conftest import read_whole_topic

PARTITIONS = 6
READER = Reader({"/optaic/acme/datahub": CommandSource(tenant="acme", principal="service:datahub")})
PROMOTE: dict[str, Any] = {"instance": "spx-alpha", "number": 3}


@pytest.fixture
def topics(kafka_broker: str) -> Topics:
    topics = Topics.prefixed(f"t{secrets.token_hex(6)}.")
    make_topics(admin_client(Kafka(kafka_broker)), topics, PARTITIONS)
    return topics


@pytest.fixture
def publisher(kafka_broker: str, topics: Topics) -> Iterator[CommandPublisher]:
    with CommandPublisher(
        kafka_broker,
        tenant="acme",
        service="datahub",
        on_behalf_of="p_ada",
        commands_topic=topics.commands,
        results_topic=topics.results,
    ) as publisher:
        yield publisher


@pytest.fixture
def say(kafka_broker: str, topics: Topics) -> Iterator[Callable[..., None]]:
    """Write results as the intake does."""
    from infrastructure.kafka.intake import Answer

    answers = Answers(Kafka(kafka_broker), topics)
    record = Record("commands", 0, 0, b"", b"", None)

    def said(command_id: UUID, outcome: Any = "accepted", tenant: str = "acme", **fields: Any) -> None:
        result = CommandResult(command_id=command_id, outcome=outcome, **fields)
        message = to_message(result, tenant, command_id, datetime.now(UTC))
        answers.send([Answer(record, True, message.key, message.value, message.headers, outcome)])

    yield said
    answers.close()


def received(bootstrap: str, topics: Topics) -> list[tuple[int, Asked]]:
    found = read_whole_topic(bootstrap, topics.commands)
    return [
        (
            one.partition,
            READER.read(Record(one.topic, one.partition, one.offset, one.key, one.value, one.headers)),
        )
        for one in found
    ]


def test_what_it_sends_is_a_command_of_its_tenant_service_and_person(publisher, kafka_broker, topics):
    correlation = uuid4()
    sent = publisher.send(
        "promote_version",
        PROMOTE,
        reason="besser als die alte: größer",
        expected_versions={"model_version:spx-alpha@3": 2},
        correlation_id=correlation,
    )
    ((partition, asked),) = received(kafka_broker, topics)
    assert partition == partition_of("acme", PARTITIONS)
    assert (asked.command.TYPE, asked.command_id, asked.correlation_id) == (
        "promote_version",
        sent,
        correlation,
    )
    assert asked.sender.reason == "besser als die alte: größer"
    assert asked.sender.expected_versions == {"model_version:spx-alpha@3": 2}
    assert (asked.sender.actor.principal, asked.sender.actor.on_behalf_of) == ("service:datahub", "p_ada")


def test_a_command_sent_again_with_its_id_is_the_same_command(publisher, kafka_broker, topics):
    sent = publisher.send("cancel_run", {"run_id": "01920000-0000-7000-8000-000000000001"})
    again = publisher.send(
        "cancel_run", {"run_id": "01920000-0000-7000-8000-000000000001"}, command_id=str(sent)
    )
    (_, first), (_, second) = received(kafka_broker, topics)
    assert sent == again
    assert first == second


def test_it_hears_the_results_of_its_tenant(publisher, say):
    other, mine = uuid4(), publisher.send("promote_version", PROMOTE, reason="better")
    say(other, position=4)
    say(uuid4(), tenant="tenant-of-somebody-else")
    say(mine, position=7, refs=("model_version:spx-alpha@3",), versions={"model_version:spx-alpha@3": 2})
    found = publisher.wait_for_result(mine)
    assert (found.outcome, found.position, found.is_refused) == ("accepted", 7, False)
    assert found.refs == ("model_version:spx-alpha@3",)
    assert found.versions == {"model_version:spx-alpha@3": 2}
    assert publisher.wait_for_result(str(other)).position == 4


def test_results_come_one_after_another_until_none_comes(publisher, say):
    ids = [uuid4() for _ in range(3)]
    for number, one in enumerate(ids):
        say(one, "refused", code=f"rule.{number}")
    found = list(publisher.results(silence_s=2))
    assert [(one.command_id, one.code, one.is_refused) for one in found] == [
        (one, f"rule.{number}", True) for number, one in enumerate(ids)
    ]


def test_waiting_for_a_result_that_does_not_come_ends(publisher):
    with pytest.raises(TimeoutError, match="no result of command"):
        publisher.wait_for_result(uuid4(), timeout_s=0.3)


def test_what_is_not_json_is_refused_before_it_is_sent(publisher, kafka_broker, topics):
    with pytest.raises(ValueError, match="JSON"):
        publisher.send("promote_version", {"number": float("nan")})
    assert received(kafka_broker, topics) == []


def test_without_kafka_python_it_says_what_to_install():
    code = (
        "import sys; sys.modules['kafka'] = None\n"
        "from optaic.mlops.commands import CommandPublisher, KafkaClientMissing\n"
        "try: CommandPublisher('127.0.0.1:9', tenant='acme', service='x')\n"
        "except KafkaClientMissing as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install optaic-mlops[kafka]" in done.stdout


def test_importing_it_imports_no_kafka_client():
    code = "import sys, optaic.mlops.commands; print('kafka' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
