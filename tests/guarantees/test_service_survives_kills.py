"""G1, G2, G4, G8 and G12 of the whole embedded service: kill -9 under load over HTTP, again and again."""

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infrastructure import failpoints
from tests.guarantees.service_checks import Ledger, check_folder, joined
from tests.guarantees.service_clients import (
    Client,
    Sent,
    acknowledged,
    changer,
    play,
    promoter,
    purger,
    settle,
    trainer,
    writer,
)
from tests.guarantees.service_harness import Service, Zygote

RANDOM_KILLS, RANDOM_KILLS_SOAK = 100, 2_000
KILLS_A_FAILPOINT, KILLS_A_FAILPOINT_SOAK = 3, 50
KILLED = -9


@dataclass
class Load:
    """Clients on a data folder whose service dies now and then."""

    zygote: Zygote
    data: Path
    chance: random.Random
    clients: list[Client] = field(default_factory=list[Client])
    restarts: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.data)
        self.clients = [
            Client(writer("series")),
            Client(trainer(self.random())),
            Client(purger(self.random(), "licensed")),
            Client(changer(self.random())),
            Client(promoter(self.random())),
        ]

    def random(self) -> random.Random:
        return random.Random(self.chance.random())

    @property
    def sent(self) -> list[Sent]:
        return [sent for client in self.clients for sent in client.sent]

    def start(self, armed: str = "") -> Service:
        began = time.perf_counter()
        service = self.zygote.start(self.data, failpoints=armed)
        self.restarts.append(time.perf_counter() - began)
        return service

    def until_killed_at(self, acknowledgements: int) -> None:
        """Play until so many more commands were acknowledged, then kill -9 and wait for the end."""
        target = acknowledged(self.clients) + acknowledgements
        with self.start() as service:
            threads = play(service, self.clients, lambda: acknowledged(self.clients) >= target)
            while acknowledged(self.clients) < target and any(thread.is_alive() for thread in threads):
                time.sleep(0.001)
            service.kill()
            joined(threads)
            assert service.wait() == KILLED

    def until_killed_at_failpoint(self, place: str, hit: int) -> None:
        """Play until the service dies at a place in its own code, at the start or under load."""
        with self.start(f"{place}=kill@{hit}") as service:
            if service.ready:
                joined(play(service, self.clients, lambda: False))
            assert service.wait() == KILLED

    def check_log(self) -> None:
        """No service runs."""
        self.ledger.read_on()
        self.ledger.check(self.sent)

    def check_everything(self) -> None:
        """Ask again for what is unknown, let the policies come to rest, end in order, then look at it all."""
        self.check_log()
        with self.start() as service, service.client() as api:
            for sent in self.sent:
                if sent.fate == "unknown":
                    settle(sent, api)
            service.settle_policies()
            assert service.stop() == 0
        self.check_log()
        self.ledger.check_production()
        check_folder(self.data, self.ledger)

    @property
    def answers_lost(self) -> int:
        """How many commands had their effect, but the kill came before the answer."""
        return sum(sent.was_there for sent in self.sent)

    def tell(self) -> None:
        fates = Counter(sent.fate for sent in self.sent)
        times = sorted(self.restarts)
        print(
            f"{len(self.sent)} commands {dict(fates)}, {self.answers_lost} answers lost after their effect, "
            f"{sum(sent.attempts > 1 for sent in self.sent)} sent again, {len(self.ledger.events)} events; "
            f"restart: median {times[len(times) // 2]:.2f} s, longest {times[-1]:.2f} s"
        )


@pytest.fixture
def load(service_zygote, data):
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    return Load(service_zygote, data, random.Random(seed))


@pytest.mark.timeout(300)
def test_a_service_killed_at_random_under_load_loses_nothing_that_it_acknowledged(load, soak):
    for kill in range(RANDOM_KILLS_SOAK if soak else RANDOM_KILLS):
        load.until_killed_at(load.chance.randint(1, 12))
        load.check_log()
        if kill % 50 == 49:
            load.check_everything()
    promoted = load.ledger.check_policy()
    load.tell()
    assert acknowledged(load.clients) >= 3 * RANDOM_KILLS
    assert load.answers_lost >= RANDOM_KILLS // 10
    assert promoted


@pytest.mark.timeout(300)
@pytest.mark.parametrize("area", ["LOG", "PROJECTION", "ARTIFACT"])
def test_a_service_killed_at_its_failpoints_loses_nothing_that_it_acknowledged(load, area, soak):
    places = sorted(getattr(failpoints, area)) * (KILLS_A_FAILPOINT_SOAK if soak else KILLS_A_FAILPOINT)
    load.chance.shuffle(places)
    for place in places:
        load.until_killed_at_failpoint(place, load.chance.randint(1, 3))
        load.check_log()
    load.check_everything()
    load.tell()


def test_a_purge_that_the_log_records_is_no_problem_of_verification(service_zygote, data):
    purging = Client(purger(random.Random(3), "licensed"))
    with service_zygote.start(data) as service, service.client() as api:
        purging.play(api, lambda: len(purging.sent) > 9)
        service.settle_policies()
        assert service.stop() == 0
    ledger = Ledger(data)
    ledger.read_on()
    assert {"dataset_version.purged", "model_version.purged"} <= {event.action for event in ledger.events}
    check_folder(data, ledger)
