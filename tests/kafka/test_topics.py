"""The topics: made with the right settings, and refused when they could lose or reorder activities."""

import pytest
from confluent_kafka.cimpl import NewTopic

from infrastructure.kafka.clients import Kafka, KafkaNotNamed, KafkaUnreachable
from infrastructure.kafka.topics import (
    ADMIN_S,
    TopicCompacted,
    TopicMissing,
    TopicPartitionsChanged,
    TopicRetentionLimited,
    Topics,
    admin_client,
    await_topic,
    check_activity,
    make_topics,
    partition_count,
)
from infrastructure.settings import Settings


def make(kafka: Kafka, name: str, **settings: str) -> None:
    """A topic as somebody else made it."""
    config = {key.replace("_", "."): value for key, value in settings.items()}
    admin = admin_client(kafka)
    for future in admin.create_topics([NewTopic(name, 2, 1, config=config)]).values():
        future.result()
    await_topic(admin, name)


def test_topics_that_we_made_are_good_and_making_them_again_changes_nothing(
    kafka: Kafka, topics: Topics
) -> None:
    admin = admin_client(kafka)
    assert check_activity(admin, topics.activity) == 6
    make_topics(admin, topics, partitions=12)
    assert check_activity(admin, topics.activity, published=6) == 6
    for name in (topics.commands, topics.results, topics.dead_letters):
        assert partition_count(admin, name) == 6


def test_a_topic_that_is_not_there_is_refused(kafka: Kafka, topic_names: Topics) -> None:
    with pytest.raises(TopicMissing):
        check_activity(admin_client(kafka), topic_names.activity)


@pytest.mark.parametrize("settings", [{}, {"retention_ms": "-1", "retention_bytes": "1000000"}])
def test_a_topic_that_forgets_is_refused(kafka: Kafka, topic_names: Topics, settings: dict[str, str]) -> None:
    make(kafka, topic_names.activity, **settings)
    with pytest.raises(TopicRetentionLimited):
        check_activity(admin_client(kafka), topic_names.activity)


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_a_compacted_topic_is_refused(kafka: Kafka, topic_names: Topics, policy: str) -> None:
    make(kafka, topic_names.activity, cleanup_policy=policy, retention_ms="-1")
    with pytest.raises(TopicCompacted):
        check_activity(admin_client(kafka), topic_names.activity)


def test_another_number_of_partitions_is_refused(kafka: Kafka, topics: Topics) -> None:
    with pytest.raises(TopicPartitionsChanged) as refused:
        check_activity(admin_client(kafka), topics.activity, published=5)
    assert refused.value.facts["partitions"] == 6


def test_a_role_without_an_address_of_kafka_is_told_so() -> None:
    with pytest.raises(KafkaNotNamed):
        Kafka.of(Settings())
    named = Kafka.of(Settings(kafka_bootstrap="broker:9092", kafka_options={"security.protocol": "ssl"}))
    assert named.producer()["security.protocol"] == "ssl"
    assert named.admin()["bootstrap.servers"] == "broker:9092"


def test_a_broker_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infrastructure.kafka.topics.ADMIN_S", ADMIN_S / 50)
    admin = admin_client(Kafka("127.0.0.1:1", {"log_level": "0"}))
    with pytest.raises(KafkaUnreachable):
        partition_count(admin, "any")
    with pytest.raises(KafkaUnreachable):
        make_topics(admin, Topics(), 1)
