"""A lost log comes back from the topic byte for byte, or is refused; an older backup is noticed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka import Producer
from sqlalchemy import Engine

from infrastructure import backup as backups
from infrastructure.activity_log import open_activity_log, open_postgres_log
from infrastructure.activity_log.errors import LogNotEmpty
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.backup import BackupDamaged, BackupExists
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.cloud_events import Message
from infrastructure.kafka.messages import MessageDamaged, to_message
from infrastructure.kafka.relay_progress import read_epoch, read_standing
from infrastructure.kafka.relay_tail import KafkaAheadOfLog, KafkaOfOtherLog
from infrastructure.kafka.republish import republish
from infrastructure.kafka.restore import RestoreNothingFound, restore_from_kafka
from infrastructure.kafka.staging import RestoreChainBroken, RestoreContradiction, RestoreHole
from infrastructure.kafka.topics import Topics, admin_client, make_topics
from infrastructure.postgres.connections import engine
from tests.kafka.conftest import delete_topic
from tests.kafka.relay_desk import RelayDesk, append, append_many, whole_log
from tests.support.log_database import installed
from tests.support.postgres import fresh_database


@pytest.fixture
def desk(database: str, kafka: Kafka, topic_names: Topics) -> Iterator[RelayDesk]:
    desk = RelayDesk(installed(database), kafka, topic_names)
    yield desk
    desk.close()


@pytest.fixture
def empty_url(postgres_server: str) -> Iterator[str]:
    """The application's URL of another database with an empty log."""
    with fresh_database(postgres_server) as url:
        yield installed(url)


@pytest.fixture
def other(empty_url: str, desk: RelayDesk) -> Iterator[RelayDesk]:
    """The same topics with another database."""
    other = RelayDesk(empty_url, desk.kafka, desk.topics)
    yield other
    other.close()


@pytest.fixture
def rows(other: RelayDesk) -> Iterator[Engine]:
    rows = engine(other.url, application_name="test")
    yield rows
    rows.dispose()


def publish(desk: RelayDesk) -> None:
    relay = desk.relay()
    desk.wait_published(relay)
    relay.stop()


def test_a_log_comes_back_from_the_topic_and_the_relay_goes_on(
    desk: RelayDesk, other: RelayDesk, rows: Engine
) -> None:
    append_many(desk.log, 400)
    publish(desk)
    republish(desk.log, desk.url, desk.kafka, topics=desk.topics, from_position=301)
    restored = restore_from_kafka(other.log, desk.kafka, desk.topics.activity, database_url=other.url)
    assert (restored.events, restored.messages) == (400, 500)
    assert restored.log_hash == desk.log.log_hash()
    assert restored.epoch == desk.log.epoch == read_epoch(rows)
    assert whole_log(other.log) == whole_log(desk.log)
    assert other.log.verify().ok
    standing = read_standing(rows)
    assert standing is not None
    assert (standing.position, standing.partitions) == (400, 6)
    append_many(other.log, 50)
    publish(other)
    other.check()


def test_a_log_in_a_file_comes_back_too(desk: RelayDesk, tmp_path: Path) -> None:
    append_many(desk.log, 30)
    publish(desk)
    with open_activity_log(tmp_path / "log.db", SystemClock()) as log:
        restored = restore_from_kafka(log, desk.kafka, desk.topics.activity, folder=tmp_path)
        assert restored.events == 30
        assert log.log_hash() == desk.log.log_hash()
    assert [path.name for path in tmp_path.iterdir() if "restore" in path.name] == []


def test_only_an_empty_log_is_filled_and_only_from_a_topic_with_messages(
    desk: RelayDesk, other: RelayDesk
) -> None:
    make_topics(admin_client(desk.kafka), desk.topics, 6)
    with pytest.raises(RestoreNothingFound):
        restore_from_kafka(other.log, desk.kafka, desk.topics.activity)
    append(other.log, "acme")
    with pytest.raises(LogNotEmpty):
        restore_from_kafka(other.log, desk.kafka, desk.topics.activity)


def messages_of(desk: RelayDesk, count: int) -> list[Message]:
    """What the relay would publish for a log of one tenant, by hand."""
    append_many(desk.log, count, ["acme"])
    return [to_message(row, row[0] - 1, desk.log.epoch) for row in whole_log(desk.log)]


def put(desk: RelayDesk, messages: Sequence[Message]) -> None:
    """Into the topic, as somebody with the right to write could."""
    make_topics(admin_client(desk.kafka), desk.topics, 6)
    producer = Producer(desk.kafka.producer())
    for one in messages:
        producer.produce(desk.topics.activity, one.value, one.key, headers=one.headers)  # type: ignore[arg-type]
    assert producer.flush(30) == 0


def refuse(desk: RelayDesk, other: RelayDesk, reason: type[Exception]) -> None:
    """Refused, and nothing was written."""
    with pytest.raises(reason):
        restore_from_kafka(other.log, desk.kafka, desk.topics.activity, database_url=other.url)
    assert other.log.head() == 0


def test_messages_in_any_order_and_repeated_make_the_log(desk: RelayDesk, other: RelayDesk) -> None:
    messages = messages_of(desk, 6)
    put(desk, [messages[index] for index in (0, 2, 1, 2, 0, 5, 4, 3)])
    restored = restore_from_kafka(other.log, desk.kafka, desk.topics.activity, database_url=other.url)
    assert (restored.events, restored.messages) == (6, 8)
    assert restored.log_hash == desk.log.log_hash()


def test_a_hole_is_refused(desk: RelayDesk, other: RelayDesk) -> None:
    messages = messages_of(desk, 6)
    put(desk, [*messages[:3], *messages[4:]])
    refuse(desk, other, RestoreHole)


def test_a_flipped_byte_is_refused(desk: RelayDesk, other: RelayDesk) -> None:
    messages = messages_of(desk, 3)
    messages[1] = messages[1]._replace(value=messages[1].value.replace(b"loss", b"boss"))
    put(desk, messages)
    refuse(desk, other, MessageDamaged)


def test_two_events_at_one_position_are_refused(desk: RelayDesk, other: RelayDesk) -> None:
    messages = messages_of(desk, 3)
    row = whole_log(desk.log)[1]
    forged = to_message((*row[:11], "another reason", *row[12:]), 1, desk.log.epoch)
    put(desk, [*messages, forged])
    refuse(desk, other, RestoreContradiction)


def test_another_predecessor_is_refused(desk: RelayDesk, other: RelayDesk) -> None:
    messages = messages_of(desk, 3)
    messages[2] = to_message(whole_log(desk.log)[2], 1, desk.log.epoch)
    put(desk, messages)
    refuse(desk, other, RestoreChainBroken)


def test_a_backup_comes_back_as_another_life_of_the_same_log(
    desk: RelayDesk, other: RelayDesk, rows: Engine, tmp_path: Path
) -> None:
    append_many(desk.log, 100)
    saved = backups.backup(desk.log, tmp_path / "saved")
    assert (saved.events, saved.log_hash) == (100, desk.log.log_hash())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved"]
    assert backups.read_manifest(tmp_path / "saved") == saved
    restored = backups.restore(other.log, tmp_path / "saved", database_url=other.url)
    assert other.log.log_hash() == saved.log_hash
    assert restored.epoch == read_epoch(rows) != saved.epoch
    with pytest.raises(LogNotEmpty):
        backups.restore(other.log, tmp_path / "saved", database_url=other.url)
    with pytest.raises(BackupExists):
        backups.backup(desk.log, tmp_path / "saved")


def test_a_damaged_backup_is_refused(desk: RelayDesk, other: RelayDesk, tmp_path: Path) -> None:
    append_many(desk.log, 5)
    folder = tmp_path / "saved"
    backups.backup(desk.log, folder)
    log, manifest = folder / backups.LOG, folder / backups.MANIFEST
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b"loss", b"boss", 1))
    with pytest.raises(BackupDamaged):
        backups.restore(other.log, folder)
    log.write_bytes(whole)
    manifest.write_bytes(manifest.read_bytes().replace(b'"events": 5', b'"events": 4'))
    with pytest.raises(BackupDamaged):
        backups.restore(other.log, folder)
    manifest.write_bytes(b"{")
    with pytest.raises(BackupDamaged):
        backups.restore(other.log, folder)
    assert other.log.head() == 0


def test_a_topic_that_is_ahead_of_a_restored_log_is_noticed(
    desk: RelayDesk, other: RelayDesk, tmp_path: Path
) -> None:
    append_many(desk.log, 60)
    backups.backup(desk.log, tmp_path / "saved")
    append_many(desk.log, 60)
    publish(desk)
    backups.restore(other.log, tmp_path / "saved", database_url=other.url)
    relay = other.relay()
    refused = other.wait_failed(relay)
    assert isinstance(refused, KafkaAheadOfLog)
    assert "--from-kafka" in refused.remedy
    relay.stop()
    with pytest.raises(KafkaAheadOfLog):
        republish(other.log, other.url, other.kafka, topics=other.topics)
    delete_topic(admin_client(other.kafka), other.topics.activity)
    publish(other)
    assert len(other.check()) == 60


def test_a_log_that_went_on_differently_is_noticed(desk: RelayDesk, other: RelayDesk, tmp_path: Path) -> None:
    append_many(desk.log, 60)
    backups.backup(desk.log, tmp_path / "saved")
    append_many(desk.log, 60)
    publish(desk)
    backups.restore(other.log, tmp_path / "saved", database_url=other.url)
    append_many(other.log, 100)
    assert isinstance(other.wait_failed(other.relay()), KafkaOfOtherLog)


def test_a_topic_of_the_same_events_takes_the_new_life_by_republishing(
    desk: RelayDesk, other: RelayDesk, tmp_path: Path
) -> None:
    append_many(desk.log, 60)
    publish(desk)
    backups.backup(desk.log, tmp_path / "saved")
    backups.restore(other.log, tmp_path / "saved", database_url=other.url)
    relay = other.relay()
    assert isinstance(other.wait_failed(relay), KafkaOfOtherLog)
    relay.stop()
    republish(other.log, other.url, other.kafka, topics=other.topics)
    append_many(other.log, 10)
    publish(other)
    assert len(other.check()) == 130


def test_a_database_set_back_in_time_is_noticed_by_what_kafka_has_beyond_it(
    desk: RelayDesk, postgres_server: str
) -> None:
    """As a file copy of the server would do it: rows, log and epoch of an earlier hour."""
    import psycopg

    from tests.support.postgres import url_with

    append_many(desk.log, 40)
    publish(desk)
    desk.log.close()
    name = desk.url.rpartition("/")[2]
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}")  # type: ignore[arg-type]
    desk.log = open_postgres_log(desk.url, SystemClock())
    append_many(desk.log, 40)
    publish(desk)
    copy = RelayDesk(url_with(desk.url, database=f"{name}_copy"), desk.kafka, desk.topics)
    try:
        assert isinstance(copy.wait_failed(copy.relay()), KafkaAheadOfLog)
    finally:
        copy.close()
        with psycopg.connect(postgres_server, autocommit=True) as server:
            server.execute(f"DROP DATABASE {name}_copy WITH (FORCE)")  # type: ignore[arg-type]
