"""What a run may ask for in all, whatever it asks for."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infrastructure.execution.account import Account
from infrastructure.execution.run_folder import make_run_folder
from infrastructure.execution.session import RunSession
from tests.execution.work_desk import AS_OF, Desk, EveryDay

POINTS = {"points": [{"name": "loss", "step": 1, "value": 0.5}]}


def session(root: Path, account: Account) -> tuple[RunSession, Desk]:
    """The session of a pending run, and the desk that it talks to."""
    desk = Desk(root)
    work = desk.works[desk.submit(1, desk.package("plain"))]
    folder = make_run_folder(root / "run", work, desk.artifacts)
    return RunSession(work, folder, desk.datasets, EveryDay(), desk, account), desk


def read(earlier_days: int) -> dict[str, Any]:
    """A call that reads the prices as they were known some days before the run's moment."""
    as_of = AS_OF - timedelta(days=earlier_days)
    return {"call": "read", "arguments": {"role": "prices", "as_of": as_of.isoformat()}}


def refusal(answer: dict[str, Any]) -> str:
    """The code and message of a refused call."""
    return f"{answer['error']['code']}: {answer['error']['message']}"


def test_reads_are_counted_and_the_same_one_again_is_no_other(tmp_path: Path) -> None:
    asked, _ = session(tmp_path, Account(reads=2))
    first = asked.answer(read(0))
    assert asked.answer(read(1))["value"] != first["value"]
    assert asked.answer(read(0)) == first
    assert refusal(asked.answer(read(2))) == "run.call_malformed: the run has asked for too much: reads"
    sessions = {"calendar": "DAYS", "first": "2024-01-01", "last": "2024-01-05"}
    assert "error" in asked.answer({"call": "sessions", "arguments": sessions})


def test_what_was_read_too_much_leaves_no_file(tmp_path: Path) -> None:
    asked, _ = session(tmp_path, Account(read_bytes=10_000))
    answers = [asked.answer(read(day)) for day in range(5)]
    assert refusal(answers[-1]).endswith("too much: read bytes")
    kept = sum(path.stat().st_size for path in (tmp_path / "run" / "inputs").iterdir())
    assert kept <= 10_000


def test_points_of_metrics_are_counted(tmp_path: Path) -> None:
    asked, desk = session(tmp_path, Account(metric_points=5))
    batch = {"points": POINTS["points"] * 3}
    answers = [asked.answer({"call": "log_metrics", "arguments": batch}) for _ in range(2)]
    assert refusal(answers[-1]).endswith("too much: metric points")
    assert len(desk.points) == 1


def test_batches_of_metrics_are_counted_whatever_they_hold(tmp_path: Path) -> None:
    asked, desk = session(tmp_path, Account(metric_batches=3))
    answers = [asked.answer({"call": "log_metrics", "arguments": POINTS}) for _ in range(4)]
    assert refusal(answers[-1]).endswith("too much: metric batches")
    assert len(desk.points) == 3


@pytest.mark.parametrize("call", ["stage_artifact", "stage_output", "stage_report"])
def test_what_is_handed_over_again_and_again_counts_each_time(tmp_path: Path, call: str) -> None:
    asked, _ = session(tmp_path, Account(staged_bytes=25))
    place = tmp_path / "run" / "work" / "model"
    place.mkdir()
    (place / "weights.txt").write_text("0123456789")
    path = "model" if call == "stage_artifact" else "model/weights.txt"
    told = {"path": path} | ({"name": "report"} if call == "stage_report" else {})
    answers = [asked.answer({"call": call, "arguments": told}) for _ in range(3)]
    assert "error" not in answers[0]
    assert "error" not in answers[1]
    assert "more than the 5 bytes" in refusal(answers[2])
