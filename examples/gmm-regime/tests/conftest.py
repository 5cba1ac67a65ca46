"""A small synthetic economy, the same in every test."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

RECESSION = range(20, 26)
QUARTERS = 60


def quarter_ends() -> list[date]:
    first = pl.date_range(date(1990, 1, 1), interval="1q", end=date(2004, 12, 31), eager=True)
    return first.dt.offset_by("2mo").dt.month_end().to_list()


@pytest.fixture(scope="session")
def frames() -> dict[str, pl.DataFrame]:
    """Sixty quarters, six of them a deep recession, and the row that dates it."""
    random = np.random.default_rng(4)
    days = quarter_ends()
    down = np.array([n in RECESSION for n in range(QUARTERS)])
    growth = np.where(down, -4.0, 3.5) + random.normal(0, 0.8, QUARTERS)
    rise = np.where(down, 0.6, -0.05) + random.normal(0, 0.08, QUARTERS)
    known = [datetime.combine(day + timedelta(days=30), time(12, 30), UTC) for day in days]
    macro = pl.DataFrame(
        {
            "entity": [""] * QUARTERS,
            "date": days,
            "knowledge_date": pl.Series(known, dtype=pl.Datetime("us", "UTC")),
            "realgdp": 1000 * np.exp(growth.cumsum() / 400),
            "unemp": 6 + rise.cumsum(),
        }
    )
    outcomes = pl.DataFrame(
        {
            "entity": [""],
            "date": [days[RECESSION[-1]]],
            "after": [days[RECESSION[0] - 1]],
            "announced": [None],
        }
    )
    return {"macro": macro, "outcomes": outcomes}
