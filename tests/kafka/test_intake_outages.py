"""The intake while the database or the broker is away: it waits, and nothing is lost or doubled."""

import pytest

from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.topics import Topics, admin_client, make_topics
from tests.kafka.intake_child import TENANTS
from tests.kafka.intake_desk import IntakeDesk
from tests.kafka.test_intake import Service, check, in_order
from tests.support.kafka import KafkaBroker
from tests.support.log_database import installed
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until

SENT = {tenant: [f"d-{number:02}" for number in range(20)] for tenant in TENANTS}
IN_TURN = [(tenant, SENT[tenant][number]) for number in range(20) for tenant in TENANTS]


def test_a_database_that_is_killed_is_waited_for(kafka, topics, tmp_path):
    server = PostgresServer()
    server.start()
    desk = IntakeDesk(installed(server.url), kafka, topics, tmp_path)
    service = Service(desk)
    try:
        role = desk.intake()
        messages = [service.command(*one) for one in IN_TURN]
        service.send(*messages[:120])
        wait_until(lambda: bool(desk.log.head()), "nothing is taken")
        server.kill()
        service.send(*messages[120:])
        wait_until(lambda: not role.status().ready, f"the outage is not seen: {role.status()}")
        assert "wait for the database" in role.status().detail
        server.start()
        wait_until(lambda: len(desk.results()) == len(messages), f"results are missing: {role.status()}")
        wait_until(lambda: role.status().ready, f"{role.status()}")
        assert role.failure is None
        assert desk.dead_letters() == []
        check(desk, service.history)
        in_order(desk, SENT)
    finally:
        service.close()
        desk.close()
        server.close()


@pytest.mark.timeout(90)
def test_a_broker_that_is_killed_is_waited_for(log_database, tmp_path):
    broker = KafkaBroker()
    broker.start()
    topics, kafka = Topics.prefixed("own."), Kafka(broker.bootstrap)
    make_topics(admin_client(kafka), topics, 6)
    desk = IntakeDesk(log_database, kafka, topics, tmp_path)
    service = Service(desk)
    try:
        role = desk.intake()
        messages = [service.command(*one) for one in IN_TURN]
        service.send(*messages)
        wait_until(lambda: bool(desk.log.head()), "nothing is taken")
        service.close()  # kafka-python leaves sockets open when a broker vanishes
        broker.kill()
        broker.start()
        wait_until(lambda: len(desk.results()) == len(messages), f"results are missing: {role.status()}")
        assert role.failure is None
        check(desk, service.history)
        in_order(desk, SENT)
    finally:
        desk.close()
        broker.close()
