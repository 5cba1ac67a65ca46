"""Writer, relay, broker, consumers and views under a seeded scheduler that crashes, freezes, cuts and loses.

A failure names its seed: `World(seed, bugs, chances).run()` plays the same history again.
"""

import logging

import pytest

from tests.simulation.faults import Bug, Chances
from tests.simulation.world import World

SEEDS, SEEDS_SOAK = 250, 10_000
LOSSY = Chances(lost_message=20)
TRIES = 150
"""Histories in which each bug must show at least once; most show in every second."""


@pytest.fixture(autouse=True)
def _quiet():
    """Warnings of thousands of simulated troubles help nobody."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def play(seed: int, chances: Chances | None = None, bugs: frozenset[Bug] = frozenset()) -> World:
    world = World(seed, bugs, chances)
    try:
        world.run()
    except AssertionError as failure:
        failure.add_note(f"seed {seed}, {chances}, {bugs}")
        raise
    return world


@pytest.mark.parametrize("block", range(3))
@pytest.mark.timeout(3_600)
def test_every_view_is_the_fold_of_the_log_whatever_happens(block: int, soak: bool) -> None:
    count = SEEDS_SOAK if soak else SEEDS
    for seed in range(block * count, (block + 1) * count):
        play(seed)


@pytest.mark.timeout(3_600)
def test_what_the_topic_lost_is_filled_from_the_log_and_alarmed(soak: bool) -> None:
    lost = 0
    for seed in range(SEEDS_SOAK if soak else SEEDS):
        lost += len(play(seed, LOSSY).broker.lost)
    assert lost > SEEDS, "the histories lose messages, or they prove nothing"


@pytest.mark.parametrize("bug", Bug, ids=lambda bug: bug.name.lower())
def test_a_bug_is_found(bug: Bug) -> None:
    lossy = bug in (Bug.NO_HOLE_DETECTION, Bug.TENANT_CHAIN_ONLY)
    for seed in range(TRIES):
        try:
            World(seed, frozenset({bug}), LOSSY if lossy else None).run()
        except AssertionError:
            return
    pytest.fail(f"{TRIES} histories and none shows that {bug.value}")


def test_a_seed_is_a_history() -> None:
    one, other = (play(11, LOSSY) for _ in range(2))
    assert one.broker.positions == other.broker.positions
    assert one.holes == other.holes
    assert (one.now, one.names, one.database.progress) == (other.now, other.names, other.database.progress)


def test_histories_are_rich() -> None:
    """Crashes, take-overs and repeated messages do occur, or the rest proves nothing."""
    worlds = [play(seed) for seed in range(40)]
    assert sum(world.names for world in worlds) / len(worlds) > 7
    repeated = [
        len(positions) - len(set(positions)) for world in worlds for positions in world.broker.positions
    ]
    assert sum(repeated) > 40
