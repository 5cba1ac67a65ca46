"""Commands of other services through crashes, rebalances and outages: one effect, one answer, in order.

A failure names its seed: `CommandWorld(seed, faults, chances).run()` plays the same history again.
"""

import logging
from collections.abc import Iterator

import pytest

from tests.simulation.command_world import CommandWorld
from tests.simulation.faults import Chances, CommandBug

SEEDS, SEEDS_SOAK = 250, 10_000
ROUGH = Chances(crash=15, away=20, freeze=15, broker_crash=25, rebalance=8)
TRIES = 150
"""Histories in which each bug must show at least once."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Warnings of thousands of simulated troubles help nobody."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def play(seed: int, chances: Chances | None = None) -> CommandWorld:
    world = CommandWorld(seed, chances=chances)
    try:
        world.run()
    except BaseException as failure:
        failure.add_note(f"seed {seed}, {chances}")
        raise
    return world


@pytest.mark.parametrize("block", range(3))
@pytest.mark.timeout(3_600)
def test_every_command_has_one_effect_and_its_answer_whatever_happens(block: int, soak: bool) -> None:
    count = SEEDS_SOAK if soak else SEEDS
    for seed in range(block * count, (block + 1) * count):
        play(seed)


@pytest.mark.timeout(3_600)
def test_the_same_holds_where_trouble_is_the_rule(soak: bool) -> None:
    for seed in range(SEEDS_SOAK if soak else SEEDS):
        play(seed, ROUGH)


@pytest.mark.parametrize("bug", CommandBug, ids=lambda bug: bug.name.lower())
def test_a_bug_on_the_way_of_commands_is_found(bug: CommandBug) -> None:
    for seed in range(TRIES):
        try:
            CommandWorld(seed, frozenset({bug})).run()
        except AssertionError:
            return
    pytest.fail(f"{TRIES} histories and none shows that {bug.value}")


def test_a_seed_is_a_history_of_commands() -> None:
    one, other = (play(11, ROUGH) for _ in range(2))
    assert one.memory.events == other.memory.events
    assert one.topics.results == other.topics.results
    assert (one.now, one.names, one.database.progress) == (other.now, other.names, other.database.progress)


def test_histories_of_commands_are_rich() -> None:
    """Repeated answers, reused ids, refusals, stale versions and dead letters do occur."""
    worlds = [play(seed) for seed in range(30)]
    said = [one for world in worlds for results in world.topics.results.values() for one in results]
    codes = {one.get("code") for one in said}
    assert codes >= {None, "command.id_reused", "dataset.exists", "dataset.unknown", "stream.version_stale"}
    put = sum(len(part) for world in worlds for part in world.topics.sent)
    letters = sum(sum(world.topics.dead_letters.values()) for world in worlds)
    assert len(said) + letters > put + 50, "batches are answered again"
    assert letters > 30
    assert sum(world.names for world in worlds) / len(worlds) > 10
