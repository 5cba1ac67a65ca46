"""The cure of a lost or changed topic: publish the log again."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.relay_producer import TopicReplaced
from infrastructure.kafka.relay_progress import read_standing
from infrastructure.kafka.republish import RelayActive, RepublishBeyondProgress, TopicNotEmpty, republish
from infrastructure.kafka.topics import (
    TopicPartitionsChanged,
    Topics,
    admin_client,
    make_topics,
    partition_count,
)
from infrastructure.postgres.connections import engine
from tests.kafka.conftest import delete_topic
from tests.kafka.relay_desk import RelayDesk, append, append_many
from tests.support.log_database import installed
from tests.support.processes import wait_until


@pytest.fixture
def desk(database: str, kafka: Kafka, topic_names: Topics) -> Iterator[RelayDesk]:
    desk = RelayDesk(installed(database), kafka, topic_names)
    yield desk
    desk.close()


@pytest.fixture
def rows(desk: RelayDesk) -> Iterator[Engine]:
    rows = engine(desk.url, application_name="test")
    yield rows
    rows.dispose()


def publish(desk: RelayDesk, count: int) -> None:
    """So many more events, on the topic, and the relay stopped."""
    append_many(desk.log, count)
    relay = desk.relay()
    desk.wait_published(relay)
    relay.stop()


def test_a_topic_made_anew_is_refused_and_published_again(desk: RelayDesk) -> None:
    publish(desk, 300)
    admin = admin_client(desk.kafka)
    delete_topic(admin, desk.topics.activity)
    make_topics(admin, desk.topics, 6)
    refused = desk.wait_failed(desk.relay())
    assert isinstance(refused, TopicReplaced)
    assert "republish" in refused.remedy
    done = republish(desk.log, desk.url, desk.kafka, topics=desk.topics)
    assert (done.first, done.last, done.messages, done.partitions) == (1, 300, 300, 6)
    publish(desk, 20)
    assert len(desk.check()) == 320


def test_a_log_that_was_never_published_gets_its_topic(desk: RelayDesk) -> None:
    append_many(desk.log, 30)
    done = republish(desk.log, desk.url, desk.kafka, topics=desk.topics, partitions=3)
    assert (done.first, done.last, done.messages, done.partitions) == (1, 30, 30, 3)
    publish(desk, 5)
    assert len(desk.check(partitions=3)) == 35


def test_a_topic_replaced_under_a_running_relay_stops_it(desk: RelayDesk) -> None:
    append_many(desk.log, 100)
    relay = desk.relay()
    desk.wait_published(relay)
    admin = admin_client(desk.kafka)
    delete_topic(admin, desk.topics.activity)
    make_topics(admin, desk.topics, 6)
    append_many(desk.log, 100)
    assert isinstance(desk.wait_failed(relay), TopicReplaced)
    relay.stop()
    delete_topic(admin, desk.topics.activity)
    republish(desk.log, desk.url, desk.kafka, topics=desk.topics)
    desk.check()


def test_a_relay_without_its_topic_waits_and_says_so(desk: RelayDesk) -> None:
    publish(desk, 10)
    delete_topic(admin_client(desk.kafka), desk.topics.activity)
    relay = desk.relay()
    wait_until(lambda: "TopicMissing" in relay.status().detail, "it does not say what is missing")
    assert not relay.status().ready
    relay.stop()
    done = republish(desk.log, desk.url, desk.kafka, topics=desk.topics)
    assert done.messages == 10
    desk.check()


def test_from_a_position_on_only_what_follows_is_repeated(desk: RelayDesk) -> None:
    publish(desk, 100)
    done = republish(desk.log, desk.url, desk.kafka, topics=desk.topics, from_position=91)
    assert (done.first, done.last, done.messages) == (91, 100, 10)
    assert len(desk.check()) == 110
    publish(desk, 5)
    assert len(desk.check()) == 115


def last_positions(rows: Engine) -> dict[int, int]:
    standing = read_standing(rows)
    assert standing is not None
    return {part: last.position for part, last in standing.delivered.items()}


def test_what_lies_before_the_beginning_still_counts_as_published(desk: RelayDesk, rows: Engine) -> None:
    """Else a view that lacks it would be taken for complete."""
    publish(desk, 100)
    before = last_positions(rows)
    republish(desk.log, desk.url, desk.kafka, topics=desk.topics, from_position=100)
    assert last_positions(rows) == before


def test_nothing_is_left_out_by_beginning_too_late(desk: RelayDesk) -> None:
    publish(desk, 10)
    append_many(desk.log, 10)
    with pytest.raises(RepublishBeyondProgress):
        republish(desk.log, desk.url, desk.kafka, topics=desk.topics, from_position=15)


def test_beside_an_active_relay_it_is_refused(desk: RelayDesk) -> None:
    relay = desk.relay()
    desk.wait_published(relay, append(desk.log, "acme"))
    with pytest.raises(RelayActive):
        republish(desk.log, desk.url, desk.kafka, topics=desk.topics)


def test_a_rekey_needs_an_empty_topic_and_then_counts_everywhere(desk: RelayDesk, rows: Engine) -> None:
    publish(desk, 100)
    with pytest.raises(TopicNotEmpty):
        republish(desk.log, desk.url, desk.kafka, topics=desk.topics, rekey_to=9)
    admin = admin_client(desk.kafka)
    delete_topic(admin, desk.topics.activity)
    done = republish(desk.log, desk.url, desk.kafka, topics=desk.topics, rekey_to=9)
    assert (done.partitions, done.messages) == (9, 100)
    assert partition_count(admin, desk.topics.activity) == 9
    standing = read_standing(rows)
    assert standing is not None
    assert standing.partitions == 9
    publish(desk, 20)
    desk.check(partitions=9)


def test_without_a_rekey_another_number_of_partitions_is_refused(desk: RelayDesk) -> None:
    publish(desk, 10)
    admin = admin_client(desk.kafka)
    delete_topic(admin, desk.topics.activity)
    make_topics(admin, desk.topics, 9)
    with pytest.raises(TopicPartitionsChanged):
        republish(desk.log, desk.url, desk.kafka, topics=desk.topics)
