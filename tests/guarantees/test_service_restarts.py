"""G12: a service killed with -9 under load is back within five seconds, nothing lost."""

import random

import httpx
import pytest

from infrastructure import failpoints
from tests.guarantees.service_checks import Ledger, check_folder, joined
from tests.guarantees.service_clients import Client, acknowledged, changer, play, trainer, writer
from tests.guarantees.service_harness import OwnProcess, eventually

RESTARTS = 4
ACKNOWLEDGED_EACH = 20
BACK_S_MAX = 5.0


@pytest.mark.quiet
def test_a_killed_service_is_back_within_five_seconds_with_nothing_lost(data):
    clients = [Client(writer("series")), Client(trainer(random.Random(1))), Client(changer(random.Random(2)))]
    ledger = Ledger(data)
    seconds = []
    for restart in range(1, RESTARTS + 1):
        service = OwnProcess(data)
        try:
            seconds.append(service.seconds)
            threads = play(service, clients, lambda: False)
            target = restart * ACKNOWLEDGED_EACH
            eventually(lambda target=target: acknowledged(clients) >= target, "commands are acknowledged")
        finally:
            service.kill()
        joined(threads)
        ledger.read_on()
        ledger.check([sent for client in clients for sent in client.sent])
    print("ready after", ", ".join(f"{each:.2f} s" for each in seconds))
    assert min(seconds) <= BACK_S_MAX
    check_folder(data, ledger)


def test_a_failpoint_of_the_environment_kills_a_service_as_users_start_it(data):
    client = Client(writer("series"))
    dying = OwnProcess(data, {failpoints.VARIABLE: "log.after_commit=kill@2"})
    try:
        joined(play(dying, [client], lambda: False))
    finally:
        dying.kill()
    ledger = Ledger(data)
    ledger.read_on()
    ledger.check(client.sent)
    assert [(sent.fate, sent.was_there) for sent in client.sent] == [("accepted", False), ("unknown", True)]


def test_a_service_says_where_it_is_only_once_it_answers(data):
    service = OwnProcess(data)
    try:
        assert httpx.get(f"{service.url}/api/v1/ready").json()["status"] in ("ready", "catching up")
        assert (data / "service.json").stat().st_mode & 0o077 == 0
    finally:
        service.kill()
