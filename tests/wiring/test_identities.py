"""Run ids: UUIDv7 in lower case, ascending within a process, whoever asks."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from uuid import UUID

import msgspec

from domain.shared.ids import RunId
from infrastructure.identities import SystemIds


def test_run_ids_ascend_and_have_the_form_that_commands_take() -> None:
    ids = SystemIds()
    made = [ids.run_id() for _ in range(5_000)]
    assert made == sorted(set(made))
    assert msgspec.convert(made[:10], list[RunId]) == made[:10]
    assert {UUID(one).version for one in made} == {7}


def test_run_ids_ascend_when_the_clock_steps_back(monkeypatch) -> None:
    moments = iter([2_000_000_000, 1_000_000_000, 1_000_000_000, 3_000_000_000])
    clock = SimpleNamespace(time_ns=lambda: next(moments))
    monkeypatch.setattr("infrastructure.identities.time", clock)
    ids = SystemIds()
    made = [ids.run_id() for _ in range(4)]
    assert made == sorted(set(made))


def test_no_two_threads_and_no_two_processes_get_one_id() -> None:
    sources = [SystemIds(), SystemIds()]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: sources[number % 2].run_id(), range(4_000)))
    assert len(set(made)) == 4_000
    assert sources[0].command_id() != sources[0].command_id()
