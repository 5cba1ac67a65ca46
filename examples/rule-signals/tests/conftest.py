"""Small synthetic prices, the same in every test."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

ENTITIES, SESSIONS = 6, 330


@pytest.fixture(scope="session")
def frames() -> dict[str, pl.DataFrame]:
    """Random walks of six entities."""
    random = np.random.default_rng(13)
    closes = 50 * np.exp(random.normal(0.0003, 0.015, (SESSIONS, ENTITIES)).cumsum(axis=0))
    days = [date(2010, 1, 1) + timedelta(days=n) for n in range(SESSIONS)]
    keys = [(f"e{entity}", day) for day in days for entity in range(ENTITIES)]
    known = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for _, day in keys]
    rows = pl.DataFrame(keys, schema={"entity": pl.String, "date": pl.Date}, orient="row")
    moments = pl.Series("knowledge_date", known, dtype=pl.Datetime("us", "UTC"))
    return {"prices": rows.with_columns(moments, pl.Series("close", closes.ravel()))}
