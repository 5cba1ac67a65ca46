"""Two processes must not have one lasting name: the later one is believed, the earlier one ends by name."""

from collections.abc import Iterator

import pytest

from infrastructure.kafka.consumers import KafkaClientFailed
from infrastructure.kafka.topics import Topics
from tests.kafka.consumer_desk import ConsumerDesk, made_consumers
from tests.support.processes import wait_until


@pytest.fixture
def desk(log_database: str, kafka_broker: str, topics: Topics) -> Iterator[ConsumerDesk]:
    made = ConsumerDesk(log_database, kafka_broker, topics)
    yield made
    made.close()


def test_the_earlier_of_two_with_one_name_ends_and_the_later_goes_on(desk: ConsumerDesk) -> None:
    desk.relay()
    place = (desk.url, desk.bootstrap, desk.topics.activity, desk.group, "one-name")
    (earlier, close_earlier), (later, close_later) = made_consumers(*place), made_consumers(*place)
    try:
        earlier.start()
        desk.play(50)
        desk.wait_folded()
        later.start()
        wait_until(lambda: earlier.failure is not None, "the earlier one goes on")
        assert isinstance(earlier.failure, KafkaClientFailed)
        desk.play(50)
        desk.wait_folded()
        assert later.failure is None
    finally:
        for one in (earlier, later):
            one.stop()
        for close in (close_earlier, close_later):
            close()
