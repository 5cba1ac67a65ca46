"""Weekly signals of twelve entities, their daily prices and the market, the same each time: what is
rehearsed on.
"""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

ENTITIES, DAYS, STEP = 12, 460, 5


def frames() -> dict[str, pl.DataFrame]:
    """Role → entity, date, knowledge_date and the role's column."""
    random = np.random.default_rng(6)
    market = random.normal(0.0003, 0.01, DAYS)
    moves = market[:, None] * np.linspace(0.5, 1.5, ENTITIES) + random.normal(0, 0.015, (DAYS, ENTITIES))
    weeks = len(range(0, DAYS, STEP))
    names = [f"e{n:02d}" for n in range(ENTITIES)]
    return {
        "signals": _frame(names, STEP, "signal", random.uniform(-1, 1, (weeks, ENTITIES))),
        "prices": _frame(names, 1, "close", 50 * np.exp(moves.cumsum(axis=0))),
        "index": _frame(["index"], 1, "close", 1000 * np.exp(market.cumsum())),
    }


def _frame(names: list[str], step: int, column: str, values: np.ndarray) -> pl.DataFrame:
    days = [date(2010, 1, 1) + timedelta(days=day) for day in range(0, DAYS, step)]
    keys = [(name, day) for day in days for name in names]
    known = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for _, day in keys]
    rows = pl.DataFrame(keys, schema={"entity": pl.String, "date": pl.Date}, orient="row")
    moments = pl.Series("knowledge_date", known, dtype=pl.Datetime("us", "UTC"))
    return rows.with_columns(moments, pl.Series(column, values.ravel()))
