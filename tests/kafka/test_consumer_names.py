"""Two processes with one lasting name: the broker shuts the earlier one out, and it comes back without it."""

from collections.abc import Iterator

import pytest

from infrastructure.kafka.consumers import Consumers
from infrastructure.kafka.topics import Topics
from tests.kafka.consumer_desk import ConsumerDesk, made_consumers
from tests.support.processes import wait_until


@pytest.fixture
def desk(log_database: str, kafka_broker: str, topics: Topics) -> Iterator[ConsumerDesk]:
    made = ConsumerDesk(log_database, kafka_broker, topics)
    yield made
    made.close()


def test_the_earlier_of_two_with_one_name_goes_on_without_it(desk: ConsumerDesk) -> None:
    """The broker shuts members out after a crash of its own, too: nobody may stand still for that."""
    desk.relay()
    place = (desk.url, desk.bootstrap, desk.topics.activity, desk.group, "one-name")
    (earlier, close_earlier), (later, close_later) = made_consumers(*place), made_consumers(*place)
    try:
        earlier.start()
        desk.play(50)
        desk.wait_folded()
        later.start()
        wait_until(lambda: share(earlier, later), "they do not share")
        desk.play(50)
        desk.wait_folded()
        assert (earlier.failure, later.failure) == (None, None)
    finally:
        for one in (earlier, later):
            one.stop()
        for close in (close_earlier, close_later):
            close()


def share(one: Consumers, other: Consumers) -> bool:
    mine, others = partitions(one), partitions(other)
    return bool(mine) and bool(others) and not mine & others


def partitions(of: Consumers) -> set[str]:
    return set(of.status().facts["partitions"])
