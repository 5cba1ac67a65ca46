"""Small synthetic markets, the same in every test."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

ENTITIES = 6
SESSIONS = 330


def _dataset(entities: list[str], days: list[date], closes: np.ndarray) -> pl.DataFrame:
    keys = [(entity, day) for day in days for entity in entities]
    known = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for _, day in keys]
    return pl.DataFrame(
        {
            "entity": [entity for entity, _ in keys],
            "date": [day for _, day in keys],
            "knowledge_date": pl.Series(known, dtype=pl.Datetime("us", "UTC")),
            "close": closes.ravel(),
        }
    )


@pytest.fixture(scope="session")
def frames() -> dict[str, pl.DataFrame]:
    """Prices of six entities that follow a market with different slopes, and that market."""
    random = np.random.default_rng(11)
    days = [date(2010, 1, 1) + timedelta(days=n) for n in range(SESSIONS)]
    market = random.normal(0.0003, 0.01, SESSIONS)
    own = random.normal(0, 0.015, (SESSIONS, ENTITIES))
    returns = market[:, None] * np.linspace(0.5, 1.5, ENTITIES) + own
    names = [f"e{n}" for n in range(ENTITIES)]
    return {
        "prices": _dataset(names, days, 50 * np.exp(returns.cumsum(axis=0))),
        "index": _dataset(["index"], days, 1000 * np.exp(market.cumsum())[:, None]),
    }
