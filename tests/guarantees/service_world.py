"""A small world to start from: one dataset of prices, one evaluated definition, two instances of it."""

import shutil
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import polars as pl

from tests.execution.definition_packages import packed
from tests.guarantees.service_harness import Zygote

PRICES, MANUAL, AUTOMATIC = "prices", "alpha", "beta"
DEFINITION = "steady@1.0.0"
METRIC, THRESHOLD = "corr", 0.5
PARQUET = "application/vnd.apache.parquet"
_DAYS, _FIRST = 90, datetime(2024, 1, 1, tzinfo=UTC)


def prices() -> bytes:
    """A seeded random walk of three entities as Parquet, each row known at 21:00 of its day."""
    draw = np.random.default_rng(5)
    levels = 100 * np.cumprod(1 + draw.normal(0, 0.02, size=(_DAYS, 3)), axis=0)
    days = [_FIRST + timedelta(days=n) for n in range(_DAYS)]
    rows = {
        "entity": ["A", "B", "C"] * _DAYS,
        "date": [day.date() for day in days for _ in range(3)],
        "knowledge_date": [day.replace(hour=21) for day in days for _ in range(3)],
        "close": levels.flatten(),
    }
    content = BytesIO()
    pl.DataFrame(rows, schema_overrides={"knowledge_date": pl.Datetime("us", "UTC")}).write_parquet(content)
    return content.getvalue()


def instance(name: str, **changes: object) -> dict:
    """The body that creates an instance of the definition on the prices."""
    return {
        "name": name,
        "definition": DEFINITION,
        "training_datasets": [{"dataset": PRICES, "role": "prices"}],
        "config": {"feature_lag": 1, "horizon": 1},
        **changes,
    }


def done(answer: httpx.Response) -> dict:
    """What a request that must succeed answered."""
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.text}"
    return answer.json()


def build(api: httpx.Client, package: bytes) -> None:
    """Everything up to two instances that wait for their first training; beta promotes by itself."""
    declaration = {"columns": [{"name": "close", "type": "float64"}]}
    done(api.post("/datasets", json={"name": PRICES, "declaration": declaration}))
    history, form = {"backfill": "true"}, {"Content-Type": PARQUET}
    done(api.post(f"/datasets/{PRICES}/versions", params=history, content=prices(), headers=form))
    form = {"Content-Type": "application/zip"}
    submitted = done(api.post("/definitions", params={"wait": 60}, timeout=90, content=package, headers=form))
    assert submitted["definition"]["state"] == "passed", submitted
    done(api.post("/instances", json=instance(MANUAL)))
    policy = {"mode": "automatic", "metric": METRIC, "at_least": THRESHOLD}
    done(api.post("/instances", json=instance(AUTOMATIC, promotion_policy=policy)))


def build_folder(zygote: Zygote, folder: Path, scratch: Path) -> Path:
    """A data folder that holds this world, its service ended in order."""
    with zygote.start(folder, slots=1) as service, service.client() as api:
        build(api, packed(scratch / "package"))
        assert service.stop() == 0
    return folder


def copied(world: Path, to: Path) -> Path:
    """A copy of the world for one test alone."""
    shutil.copytree(world, to)
    return to
