"""The HTTP server of roles without an API: three answers, and no more."""

import json
import socket
from http.client import HTTPConnection

import pytest

from infrastructure.roles.health import AT_ONCE, HealthServer, RolePortTaken
from infrastructure.roles.role import RoleStatus


class PlainRole:
    """A role that stands as it is told to."""

    def __init__(self):
        self.failure = None
        self.stands = RoleStatus(ready=True, detail="publishes", facts={"position": 7})

    def start(self):
        """Nothing begins."""

    def stop(self):
        """Nothing ends."""

    def status(self):
        if isinstance(self.stands, Exception):
            raise self.stands
        return self.stands


@pytest.fixture
def role():
    return PlainRole()


@pytest.fixture
def server(role):
    one = HealthServer("127.0.0.1", 0, role, "relay")
    one.start()
    yield one
    one.stop()


def asked(server, path, method="GET"):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def test_a_role_that_works_is_alive_and_ready(server):
    status, body, _ = asked(server, "/health")
    assert (status, json.loads(body)) == (200, {"role": "relay", "status": "ok"})
    status, body, _ = asked(server, "/ready")
    assert status == 200
    assert json.loads(body) == {
        "role": "relay",
        "ready": True,
        "detail": "publishes",
        "facts": {"position": 7},
    }


def test_a_role_that_waits_is_alive_and_not_ready(role, server):
    role.stands = RoleStatus(ready=False, detail="waits for Kafka")
    assert asked(server, "/health")[0] == 200
    assert asked(server, "/ready")[0] == 503


def test_a_role_that_failed_is_neither_and_says_why_without_secrets(role, server):
    role.failure = OSError("postgresql://app:s3cret@db/log is away")
    status, body, _ = asked(server, "/health")
    assert status == 500
    assert b"OSError" in body
    assert b"s3cret" not in body
    assert asked(server, "/ready")[0] == 503


def test_a_status_that_cannot_be_told_is_a_500(role, server):
    role.stands = ZeroDivisionError("no")
    assert asked(server, "/ready")[0] == 500
    assert asked(server, "/health")[0] == 200


def test_metrics_are_in_the_prometheus_format(server):
    status, body, headers = asked(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert b"optaic_mlops_append_seconds" in body


def test_everything_else_is_refused(server):
    assert asked(server, "/")[0] == 404
    assert asked(server, "/health/../metrics")[0] == 404
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        status, _, headers = asked(server, "/health", method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_head_has_no_body(server):
    status, body, headers = asked(server, "/ready", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


def test_a_taken_port_is_named(server, role):
    with pytest.raises(RolePortTaken):
        HealthServer("127.0.0.1", server.port, role, "relay")


def test_clients_that_say_nothing_hold_a_bounded_number_of_threads(server):
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(AT_ONCE)]
    one_more = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    assert one_more.recv(1) == b""
    for each in (*silent, one_more):
        each.close()


def test_stopping_twice_is_once_and_the_port_is_free_again(role):
    first = HealthServer("127.0.0.1", 0, role, "relay")
    first.start()
    first.stop()
    first.stop()
    second = HealthServer("127.0.0.1", first.port, role, "relay")
    second.stop()
