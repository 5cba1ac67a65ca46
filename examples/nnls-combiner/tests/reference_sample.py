"""Weekly signals of eight entities and their daily prices, the same each time: what is rehearsed on."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

ENTITIES, DAYS, STEP = 8, 400, 5
RULES = ("momentum", "reversal", "low_volatility")


def frames() -> dict[str, pl.DataFrame]:
    """Role → entity, date, knowledge_date and the role's columns."""
    random = np.random.default_rng(6)
    weeks = len(range(0, DAYS, STEP))
    closes = 50 * np.exp(random.normal(0, 0.02, (DAYS, ENTITIES)).cumsum(axis=0))
    given = {name: random.uniform(-1, 1, (weeks, ENTITIES)) for name in ("signal", *RULES)}
    return {
        "learned": _frame(STEP, {"signal": given["signal"]}),
        "rules": _frame(STEP, {rule: given[rule] for rule in RULES}),
        "prices": _frame(1, {"close": closes}),
    }


def _frame(step: int, columns: Mapping[str, np.ndarray]) -> pl.DataFrame:
    days = [date(2010, 1, 1) + timedelta(days=day) for day in range(0, DAYS, step)]
    keys = [(f"e{n}", day) for day in days for n in range(ENTITIES)]
    known = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for _, day in keys]
    rows = pl.DataFrame(keys, schema={"entity": pl.String, "date": pl.Date}, orient="row")
    moments = pl.Series("knowledge_date", known, dtype=pl.Datetime("us", "UTC"))
    return rows.with_columns(moments, *(pl.Series(name, one.ravel()) for name, one in columns.items()))
