"""G10: while hostile code runs, the service answers, truthfully."""

import time

import pytest

from tests.guarantees.hostile_definitions import packages
from tests.guarantees.service_world import done

SLOWEST_S = 5.0
"""No measurement, which is `benchmarks.hostile`: that nothing holds an answer up for good."""
GREEDY_S = 2.0
PATIENCE_S = 100.0
ZIP = {"Content-Type": "application/zip"}


@pytest.mark.quiet
def test_the_service_answers_while_definitions_fork_fill_memory_print_and_spin(service_zygote, tmp_path):
    hostile = packages(tmp_path / "packages", GREEDY_S)
    taken: list[float] = []
    with service_zygote.start(tmp_path / "data", slots=len(hostile)) as service, service.client() as api:

        def asked(path: str) -> dict:
            began = time.monotonic()
            answer = done(api.get(path))
            taken.append(time.monotonic() - began)
            return answer

        for package in hostile.values():
            done(api.post("/definitions", content=package, headers=ZIP))
        until = time.monotonic() + PATIENCE_S
        states: dict[str, str] = {}
        while len(states) < len(hostile) or set(states.values()) != {"failed"}:
            assert time.monotonic() < until, states
            assert asked("/ready")["status"] in {"ready", "catching up"}
            states = {one["name"]: one["state"] for one in asked("/definitions")["items"]}
            assert set(states) <= set(hostile)
            assert set(states.values()) <= {"submitted", "failed"}, states
        assert set(states) == set(hostile)
        for name in hostile:
            view = asked(f"/definitions/{name}/1.0.0")
            failed = [check["name"] for check in view["evaluation"]["checks"] if not check["ok"]]
            assert "interface" in failed
    assert max(taken) < SLOWEST_S
