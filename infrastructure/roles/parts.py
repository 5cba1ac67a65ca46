"""The roles between the log and Kafka, wired."""

from contextlib import ExitStack

from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.relay_role import Relay
from infrastructure.kafka.topics import TOPICS, admin_client, make_topics
from infrastructure.roles.role import Role
from infrastructure.roles.wiring import open_core, open_log, required
from infrastructure.settings import Settings


def install_topics(settings: Settings) -> None:
    """Make the topics that are missing. Raises KafkaNotNamed, KafkaUnreachable."""
    admin = admin_client(Kafka.of(settings))
    make_topics(admin, TOPICS, settings.kafka_partitions, settings.kafka_replication)


def open_relay(settings: Settings, opened: ExitStack) -> Role:
    """The log onto Kafka."""
    return Relay(
        open_log(settings, opened),
        required(settings, "database_url"),
        Kafka.of(settings),
        partitions=settings.kafka_partitions,
        replication=settings.kafka_replication,
    )


def open_project(settings: Settings, opened: ExitStack) -> Role:
    """Kafka into the views."""
    from infrastructure.kafka.consumers import open_consumers

    log = open_log(settings, opened)
    return open_consumers(settings, log, opened)


def open_intake(settings: Settings, opened: ExitStack) -> Role:
    """Commands of other services."""
    from infrastructure.kafka.intake_role import CommandIntake

    core = open_core(settings, opened, role="intake")
    return CommandIntake(core.bus, Kafka.of(settings), settings.command_sources)
