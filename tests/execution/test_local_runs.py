"""Training, inference and what a run may read, in real child processes."""

import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from domain.run.pins import DateRange
from infrastructure.execution import LocalExecutor
from tests.execution.definition_packages import PARTS, with_fit
from tests.execution.work_desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def executor(desk: Desk) -> Iterator[LocalExecutor]:
    executor = desk.executor()
    executor.start()
    yield executor
    executor.close()


def finished(desk: Desk, executor: LocalExecutor, *runs: str) -> None:
    executor.wake()
    desk.wait(lambda: all(run in desk.completed or run in desk.failed for run in runs))


def test_a_training_hands_over_a_model_metrics_steps_and_facts(desk: Desk, executor: LocalExecutor) -> None:
    run = desk.submit(1, desk.package("steady"))
    finished(desk, executor, run)
    assert not desk.failed
    done = desk.completed[run]
    assert done.artifact is not None
    assert done.artifact.format == "weights-text"
    assert set(done.metrics) == {"corr", "rows"}
    assert done.facts["last_trainable"] == "2024-03-18"
    assert done.facts["last_trained"] == "2024-03-18"
    assert done.facts["rows_without_label"] == 6
    assert done.facts["knowledge_epochs"] == 1
    names = {point.name for command in desk.points for point in command.points}
    assert names == {"corr", "rows"}
    with zipfile.ZipFile(desk.artifacts.checked_path(done.artifact.sha256)) as archive:
        assert archive.namelist() == ["model.json", "model/weights.txt", "reference.json"]


def test_the_same_training_gives_the_same_artifact_bit_for_bit(desk: Desk, executor: LocalExecutor) -> None:
    manifest = desk.package("steady")
    runs = [desk.submit(number, manifest) for number in (1, 2)]
    finished(desk, executor, *runs)
    first, second = (desk.completed[run] for run in runs)
    assert first.artifact == second.artifact
    assert first.metrics == second.metrics


def test_an_inference_predicts_each_session_of_its_range_as_of_its_own_close(
    desk: Desk, executor: LocalExecutor
) -> None:
    manifest = desk.package("steady")
    training = desk.submit(1, manifest, as_of=datetime(2024, 3, 1, 22, tzinfo=UTC))
    finished(desk, executor, training)
    decisions = DateRange(first=date(2024, 3, 4), last=date(2024, 3, 8))
    inference = desk.submit(2, manifest, "inference", model=desk.model(training), decisions=decisions)
    finished(desk, executor, inference)
    assert not desk.failed
    done = desk.completed[inference]
    rows = pl.read_parquet(desk.artifacts.checked_path(done.output_sha256 or ""))
    assert rows.columns == ["entity", "date", "knowledge_date", "signal", "trained_as_of", "model_version"]
    assert rows.height == 15
    assert (rows["knowledge_date"] == rows["date"].cast(pl.Datetime("us", "UTC")).dt.offset_by("21h")).all()
    assert done.measurements is not None
    assert done.measurements.items[0].breaching == 0
    assert done.facts["decisions"] == 5


def test_an_inference_without_a_range_decides_at_the_newest_session(
    desk: Desk, executor: LocalExecutor
) -> None:
    manifest = desk.package("steady")
    training = desk.submit(1, manifest, as_of=datetime(2024, 3, 1, 22, tzinfo=UTC))
    finished(desk, executor, training)
    inference = desk.submit(2, manifest, "inference", model=desk.model(training))
    finished(desk, executor, inference)
    rows = pl.read_parquet(desk.artifacts.checked_path(desk.completed[inference].output_sha256 or ""))
    assert rows["date"].unique().to_list() == [date(2024, 3, 20)]


def test_a_model_from_the_future_predicts_nothing(desk: Desk, executor: LocalExecutor) -> None:
    manifest = desk.package("steady")
    training = desk.submit(1, manifest, as_of=datetime(2024, 3, 6, 22, tzinfo=UTC))
    finished(desk, executor, training)
    decisions = DateRange(first=date(2024, 3, 4), last=date(2024, 3, 8))
    inference = desk.submit(2, manifest, "inference", model=desk.model(training), decisions=decisions)
    finished(desk, executor, inference)
    assert desk.failed[inference].code == "pit.model_from_future"


@pytest.mark.parametrize("name", ["weights.pkl", "weights.bin"])
def test_a_model_that_was_saved_as_a_pickle_is_refused(
    desk: Desk, executor: LocalExecutor, name: str
) -> None:
    lines = f"import pickle; self.save = lambda folder: (folder / {name!r}).write_bytes(pickle.dumps([1.5]))"
    run = desk.submit(1, desk.package("pickled", with_fit(lines)))
    finished(desk, executor, run)
    assert desk.failed[run].code == "run.model_unsafe"
    assert name in desk.failed[run].message


READ = """
from optaic.mlops.runner.connection import connect
from datetime import datetime, UTC
connection = connect()
"""


def test_reading_what_was_not_pinned_is_refused(desk: Desk, executor: LocalExecutor) -> None:
    lines = READ + 'connection.read_dataset("us-index", datetime(2024, 1, 5, tzinfo=UTC))'
    run = desk.submit(1, desk.package("curious", with_fit(lines)))
    finished(desk, executor, run)
    assert desk.failed[run].code == "pit.input_not_declared"


def test_reading_later_than_the_run_is_refused(desk: Desk, executor: LocalExecutor) -> None:
    lines = READ + 'connection.read("prices", datetime(2024, 3, 25, tzinfo=UTC))'
    run = desk.submit(1, desk.package("curious", with_fit(lines)))
    finished(desk, executor, run)
    assert desk.failed[run].code == "pit.read_after_as_of"


def test_another_version_than_the_pinned_one_is_refused(desk: Desk, executor: LocalExecutor) -> None:
    lines = READ + 'connection.read_dataset("us-prices", datetime(2024, 1, 5, tzinfo=UTC), version=2)'
    run = desk.submit(1, desk.package("curious", with_fit(lines)))
    finished(desk, executor, run)
    assert desk.failed[run].code == "pit.input_not_declared"


IN_RUN = """
from datetime import date, datetime, UTC
from optaic.mlops import tracking
from optaic.mlops.data import load_dataset
known = load_dataset("us-prices", as_of=datetime(2024, 1, 5, 12, tzinfo=UTC), entities=["A"])
assert known["date"].max() == date(2024, 1, 4), known
assert known.columns[-1] == "close"
assert load_dataset("us-prices@1")["date"].max() == date(2024, 3, 20)
tracking.log_params({"ignored": 1})
for step in range(3):
    tracking.log_metrics({"loss": 1.0 / (1 + step)}, step=step)
"""


def test_the_sdk_inside_a_run_speaks_with_its_executor(desk: Desk, executor: LocalExecutor) -> None:
    run = desk.submit(1, desk.package("talking", with_fit(IN_RUN)))
    finished(desk, executor, run)
    assert not desk.failed
    losses = [point for command in desk.points for point in command.points if point.name == "loss"]
    assert [point.value for point in losses[:3]] == [1.0, 0.5, 1 / 3]


def test_too_many_points_and_infinite_metrics_are_refused(desk: Desk, executor: LocalExecutor) -> None:
    lines = """
from optaic.mlops.runner.connection import RunRefused, connect
connection = connect()
bad = ([{"name": "x", "step": 0, "value": 1.0}] * 1001, [], [{"name": "x y", "step": 0, "value": 1.0}])
for points in bad:
    try:
        connection._call("log_metrics", {"points": points})
    except RunRefused as refusal:
        assert refusal.code == "run.call_malformed"
    else:
        raise AssertionError(points[:1])
try:
    connection._call("open_the_door", {})
except RunRefused as refusal:
    assert refusal.code == "run.call_malformed"
try:
    connection.stage_output("/etc/passwd")
except RunRefused as refusal:
    assert refusal.code == "run.output_malformed"
connection.log_metrics([("many", step, 1.0) for step in range(2500)])
"""
    run = desk.submit(1, desk.package("talking", with_fit(lines)))
    finished(desk, executor, run)
    assert not desk.failed
    assert [len(one.points) for one in desk.points if one.points[0].name == "many"][:3] == [1000, 1000, 500]


def test_the_environment_of_a_run_is_built_from_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_SECRET", "do not leak")
    executor = desk.executor()
    executor.start()
    lines = """
import os, sys
assert "CANARY_SECRET" not in os.environ
assert os.environ["PYTHONHASHSEED"] == "0" and os.environ["TZ"] == "UTC"
assert os.environ["OMP_NUM_THREADS"] == "1"
assert sys.path[0].endswith("/package") and os.getcwd().endswith("/work")
assert os.getsid(0) == os.getpid()
"""
    try:
        run = desk.submit(1, desk.package("looking", with_fit(lines)))
        finished(desk, executor, run)
    finally:
        executor.close()
    assert not desk.failed


def test_hyper_parameters_that_the_definition_refuses_fail_the_run(
    desk: Desk, executor: LocalExecutor
) -> None:
    run = desk.submit(1, desk.package("steady"), hyper_parameters={"ridge": -1.0})
    finished(desk, executor, run)
    assert desk.failed[run].code == "run.hyper_parameters_invalid"


def test_features_with_two_rows_of_one_key_fail_the_run(desk: Desk, executor: LocalExecutor) -> None:
    twice = PARTS.replace('frames["prices"].sort', 'pl.concat([frames["prices"]] * 2).sort', 1)
    run = desk.submit(1, desk.package("twice", {"training/parts.py": twice}))
    finished(desk, executor, run)
    assert desk.failed[run].code == "run.features_malformed"


def test_nothing_is_left_of_a_finished_run_but_what_was_stored(desk: Desk, executor: LocalExecutor) -> None:
    run = desk.submit(1, desk.package("steady"))
    finished(desk, executor, run)
    assert executor.wait_idle(30)
    assert list((desk.root / "runs").iterdir()) == []
