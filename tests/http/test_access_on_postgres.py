"""Keys on PostgreSQL: the first by the command line, a revocation in every process, outages shut the door."""

import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import anyio
import pytest

from application.ports import StreamWrite
from domain.access import decider
from domain.access.errors import AccessBootstrapped
from domain.access.events import AccessRevoked
from domain.shared.activity import Actor, Envelope
from domain.shared.errors import StreamConflict
from infrastructure.access import directory as module
from infrastructure.access.bootstrap import bootstrap
from infrastructure.access.directory import STALE_S, AccessDirectory
from infrastructure.access.errors import AccessKeyRevoked, AccessUnchecked
from infrastructure.access.keys import key_id_of
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.log import DatabaseActivityLog
from infrastructure.activity_log.system_clock import SystemClock
from tests.cli.commands import here, optaic
from tests.support.log_database import installed
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until

TENANT = "acme"


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    made = PostgresServer()
    made.start()
    yield made
    made.close()


def revoke(log: DatabaseActivityLog, key: str) -> int:
    stream, command = decider.stream(TENANT), uuid4()
    envelope = Envelope(
        tenant=TENANT,
        actor=Actor(principal="p_boss"),
        command_id=command,
        body_hash=b"\0" * 32,
        correlation_id=command,
    )
    loaded = log.load(TENANT, stream, decider.INITIAL, decider.evolve)
    event = AccessRevoked(key_id=key_id_of(key) or "")
    return log.append(envelope, [StreamWrite(stream, loaded.version, (event,))]).position


def test_the_command_line_makes_the_first_key_and_no_second_one(log_database: str):
    given = ("access", "bootstrap", "--tenant", TENANT, "--principal", "p_boss")
    first = optaic(*given, "--json", OPTAIC_MLOPS_DATABASE_URL=log_database)
    assert first.code == 0, first
    with open_postgres_log(log_database, SystemClock()) as log:
        directory = AccessDirectory(log)
        directory.refresh()
        found = directory.identity_of(first.json()["key"])
        assert (found.tenant, found.principal, found.role) == (TENANT, "p_boss", "operator")
        again = here(*given, OPTAIC_MLOPS_DATABASE_URL=log_database)
        assert (again.code, again.err.split(":")[0], log.head()) == (1, "access.bootstrapped", 1)
        other = here(*given[:3], "zeta", *given[4:], "--database-url", log_database)
        assert other.code == 0, other


def test_of_processes_that_bootstrap_at_once_one_gets_a_key(log_database: str):
    outcomes: list[object] = []

    def try_it() -> None:
        with open_postgres_log(log_database, SystemClock()) as log:
            try:
                outcomes.append(bootstrap(log, TENANT, "p_boss"))
            except (AccessBootstrapped, StreamConflict) as error:
                outcomes.append(error)

    threads = [threading.Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in outcomes if isinstance(one, str)]) == 1
    assert len(outcomes) == 4


def test_a_revocation_in_one_process_holds_in_the_others(log_database: str):
    """As soon as they hear that the head moved: the directory's own clock stands, so nothing else helps."""
    with (
        open_postgres_log(log_database, SystemClock()) as one,
        open_postgres_log(log_database, SystemClock()) as other,
    ):
        key = bootstrap(one, TENANT, "p_boss")
        directory = AccessDirectory(other, monotonic=lambda: 0.0)
        other.wait_beyond(0, 10.0)
        assert anyio.run(directory.identify, key).principal == "p_boss"
        position = revoke(one, key)
        assert other.wait_beyond(position - 1, 10.0) == position
        with pytest.raises(AccessKeyRevoked):
            anyio.run(directory.identify, key)


def test_the_door_shuts_when_the_database_is_killed_and_opens_when_it_is_back(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "PATIENCE_S", 20.0)  # the driver's own refusal, however slow the machine
    hours = [time.monotonic()]
    with open_postgres_log(installed(server.url), SystemClock()) as log:
        key = bootstrap(log, TENANT, "p_boss")
        directory = AccessDirectory(log, monotonic=lambda: hours[0])
        assert anyio.run(directory.identify, key).principal == "p_boss"
        server.kill()
        hours[0] += STALE_S / 2
        assert anyio.run(directory.identify, key).principal == "p_boss"
        hours[0] += STALE_S
        with pytest.raises(AccessUnchecked):
            anyio.run(directory.identify, key)
        server.start()
        wait_until(lambda: _opens(directory, key), "the door opens again")


def _opens(directory: AccessDirectory, key: str) -> bool:
    try:
        return anyio.run(directory.identify, key).principal == "p_boss"
    except AccessUnchecked:
        return False
