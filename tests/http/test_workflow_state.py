"""When a workflow is over: also when what was to follow in it never came."""

from types import SimpleNamespace
from typing import Any

import pytest

from infrastructure.http.workflow_state import state_of

TRAINED = {"refit": True, "trigger": "backfill:2024-01-01/2024-01-31"}


def run(name: str, kind: str = "training", state: str = "completed", **more: Any) -> Any:
    given = {"refit": False, "trigger": "backfill", "retry_of": None, "model": None, "model_version": None}
    return SimpleNamespace(id=name, kind=kind, state=state, **given | more)


def predicted(number: int, state: str = "completed") -> Any:
    return run(f"p{number}", "inference", state, model=SimpleNamespace(number=number))


FIRST, SECOND = (run(f"t{number}", model_version=number, **TRAINED) for number in (1, 2))


@pytest.mark.parametrize(
    ("runs", "stopped", "state"),
    [
        ([FIRST], 0, "running"),
        ([FIRST, predicted(1, "running")], 0, "running"),
        ([FIRST, predicted(1)], 0, "completed"),
        ([FIRST], 1, "failed"),
        ([FIRST, SECOND, predicted(1)], 0, "running"),
        ([FIRST, SECOND, predicted(1)], 1, "failed"),
        ([run("t0", state="failed"), run("t1", retry_of="t0")], 0, "completed"),
        ([run("t0", state="failed")], 0, "failed"),
    ],
)
def test_a_workflow_is_over_when_nothing_runs_and_nothing_is_to_come(
    runs: list[Any], stopped: int, state: str
) -> None:
    assert state_of(runs, stopped) == state
