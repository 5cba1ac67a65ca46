"""Part 7: four things that are refused, each for its own reason, without an event."""

import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from domain.dataset.commands import WriteDatasetVersion
from domain.ml_module_def.commands import SubmitDefinition
from domain.run.commands import CompleteRun, SubmitRun
from infrastructure.demo.chapters import EXAMPLES, LOADER, PARQUET, RESEARCHER, SIGNAL, Told
from infrastructure.demo.spoiled import broken
from infrastructure.demo.stage import Stage
from optaic.mlops.packaging import pack


def show(stage: Stage, told: Told) -> None:
    """A broken package, a back-dated write, a prediction from the future, a second completion."""
    with tempfile.TemporaryDirectory() as scratch:
        package = stage.service.artifacts.put(pack(broken(EXAMPLES / "rule-signals", Path(scratch))))
    without = SubmitDefinition(package_sha256=package)
    _tell(stage, "a package without monitoring", "definition.component_missing", without, RESEARCHER)
    _tell(
        stage,
        "a price of 2019 'known' in 2019, written today",
        "pit.backdated_write",
        _backdated(stage),
        LOADER,
    )
    first = told.trainings[0]
    ahead = SubmitRun(
        instance=SIGNAL,
        kind="inference",
        model_version=first.model_version,
        first=date(2020, 6, 30),
        last=date(2020, 6, 30),
    )
    _tell(
        stage,
        f"2020-06-30 predicted with {SIGNAL}@{first.model_version}",
        "pit.model_from_future",
        ahead,
        RESEARCHER,
    )
    again = CompleteRun(run_id=first.id, artifact=first.artifact, metrics=first.metrics)
    ended = 0 if first.ended is None else first.ended.position
    what = f"the training run of [{ended}] completed a second time"
    _tell(stage, what, "run.already_finished", again, RESEARCHER)


def _backdated(stage: Stage) -> WriteDatasetVersion:
    rows = pl.DataFrame(
        {
            "entity": ["sp500"],
            "date": [date(2019, 6, 28)],
            "knowledge_date": [datetime(2019, 6, 28, 20, tzinfo=UTC)],
            "close": [2941.77],
        }
    )
    return WriteDatasetVersion(dataset="us-index", blob_sha256=stage.store(rows), media_type=PARQUET)


def _tell(stage: Stage, what: str, code: str, command: object, principal: str) -> None:
    broken = stage.refused(command, principal)  # pyright: ignore[reportArgumentType]
    stage.account.claim(broken.code == code, f"{what}: refused as {broken.code}, not {code}")
    stage.account.line(f"  {what:<50} {broken.code}")
    stage.account.line(f"      {broken.detail}")
    stage.account.line(f"      → {broken.remedy}")
