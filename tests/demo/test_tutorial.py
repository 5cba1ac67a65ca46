"""The tutorial's shell blocks, run one after the other in an empty folder."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.embedded.record import read_record

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 300
COMMAND = f'optaic-mlops() {{ "{sys.executable}" -P -m infrastructure.cli.main "$@"; }}\n'

pytestmark = pytest.mark.timeout(SECONDS_MAX)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What the whole tutorial prints."""
    blocks = re.findall("```bash\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text("utf-8"), re.DOTALL)
    folder = tmp_path_factory.mktemp("tutorial")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPTAIC_MLOPS_")}
    try:
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", COMMAND + "".join(blocks)],
            cwd=folder,
            env=kept,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield done.stdout
    finally:
        record = read_record(folder / "data")
        if record is not None:
            os.kill(record.pid, signal.SIGTERM)


def test_the_definition_passes_and_is_published(said: str):
    assert "my-signal@0.1.0: passed, " in said
    assert "my-signal@0.1.0: published" in said


def test_the_model_is_trained_promoted_and_predicts(said: str):
    assert "the first one; its rank correlation held out of sample" in said
    assert "entity,date,knowledge_date,signal" in said


def test_the_predictions_are_judged_by_what_came(said: str):
    monitored = [line for line in said.splitlines() if "\tmonitoring\t" in line]
    assert len(monitored) == 1
    assert "\tcompleted\t" in monitored[0]
    assert (
        len(re.findall(r"^metric rank_ic  +\S+$", said, re.MULTILINE)) == 2
    )  # of the training, of what came


def test_the_rule_of_the_package_raises_an_alert_that_somebody_looks_after(said: str):
    assert 'metric = "drift.share"\ncomparison = "gt"\nthreshold = 0.3\n' in said
    raised = [line.split("\t") for line in said.splitlines() if "\tdrift.share\t" in line]
    assert [(one[2], one[5], one[6]) for one in raised] == [
        ("alpha", "> 0.3", "raised"),
        ("alpha", "> 0.3", "acknowledged"),
    ]
    assert f"{raised[0][0]} is acknowledged [" in said


def test_the_past_answers(said: str):
    assert "model_version:alpha@1" in said
    assert "e0,2022-01-03,2022-01-03T21:00:00" in said
