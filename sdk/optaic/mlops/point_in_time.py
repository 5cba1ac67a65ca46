"""Labels, splits and lags that never look ahead, over a *sessions table* that is handed in.

Sessions table: columns `session` Date and `close` Datetime(us, UTC), one row a session, ascending.
`session(d, n)` is the n-th session after (before, for negative n) the last session at or before d; beyond the
table it is null. Datasets without a calendar use `sessions_of_rows`: their own dates, each "closing" when it
first became known. The names L1, L2, L4, L5, R9 and R10 are those of the point-in-time rules in the
documentation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import polars as pl

MOMENT = pl.Datetime("us", "UTC")
SESSIONS_SCHEMA = {"session": pl.Date(), "close": MOMENT}
NO_DELAY = timedelta()


# --- sessions ---


def sessions_table(closes: Sequence[tuple[date, datetime]]) -> pl.DataFrame:
    """A sessions table from (session, close) pairs in ascending order."""
    return pl.DataFrame(list(closes), schema=SESSIONS_SCHEMA, orient="row")


def sessions_of_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The sessions table of a dataset without a calendar: its dates and when each first became known.

    `rows`: date Date, knowledge_date Datetime(us, UTC). Give every stored row, not only the newest of each
    key: a revision is known later than the date's first row.
    """
    first_known = rows.group_by(pl.col("date").alias("session")).agg(
        pl.col("knowledge_date").min().alias("close")
    )
    return first_known.sort("session")


def positions(sessions: pl.DataFrame, dates: pl.Series) -> pl.Series:
    """Row number of the last session at or before each date (Int64); null before the first session."""
    found = sessions["session"].search_sorted(dates, side="right").cast(pl.Int64) - 1
    return found.to_frame("position").select(_from_zero(pl.col("position"))).to_series()


def shifted(sessions: pl.DataFrame, dates: pl.Series, by: int) -> pl.Series:
    """`session(d, by)` for each date; null beyond the table."""
    return _at(sessions["session"], positions(sessions, dates) + by).alias("session")


def lagged_session(sessions: pl.DataFrame, day: date, lag: int) -> date | None:
    """R9: the last session whose rows a decision of session `day` may use, `lag` sessions back; None before
    the table.
    """
    return shifted(sessions, _series([day]), -lag).item()


def closes(sessions: pl.DataFrame, dates: pl.Series) -> pl.Series:
    """The close of the last session at or before each date; null before the first."""
    return _at(sessions["close"], positions(sessions, dates)).alias("close")


# --- labels ---


def label_end(dates: pl.Series, horizon: int, sessions: pl.DataFrame) -> pl.Series:
    """L1: `end(d) = session(d, +horizon)`, the last session whose prices the label of d uses; null beyond the
    table.
    """
    return shifted(sessions, dates, horizon).alias("label_end")


def label_known_at(
    dates: pl.Series, horizon: int, sessions: pl.DataFrame, delay: timedelta = NO_DELAY
) -> pl.Series:
    """L1: when the label of each date is known: the close of `end(d)` plus the price's own delay; null beyond
    the table.

    Without a calendar the table's `close` of row d + horizon is when that row became known.
    """
    known = _at(sessions["close"], positions(sessions, dates) + horizon)
    return (known + delay).alias("label_known_at")


def trainable(
    dates: pl.Series, horizon: int, sessions: pl.DataFrame, as_of: datetime, delay: timedelta = NO_DELAY
) -> pl.Series:
    """L2: True for dates whose label is known at `as_of`. A label that ends beyond the table is not known."""
    known = label_known_at(dates, horizon, sessions, delay)
    return (known <= _moment(as_of)).fill_null(value=False).alias("trainable")


def last_trainable(
    dates: pl.Series, horizon: int, sessions: pl.DataFrame, as_of: datetime, delay: timedelta = NO_DELAY
) -> date | None:
    """L2: the newest date whose label is known at `as_of`; None if there is none."""
    usable = dates.filter(trainable(dates, horizon, sessions, as_of, delay))
    return None if usable.is_empty() else _series(usable.to_list()).sort()[-1]


# --- splits ---


def purged(dates: pl.Series, horizon: int, sessions: pl.DataFrame, first: date, last: date) -> pl.Series:
    """L4: True for training dates to drop around the test block [first, last]: `d <= last` and `end(d) >=
    first`.

    A label that ends beyond the table counts as ending after the block.
    """
    ends = label_end(dates, horizon, sessions)
    return ((dates <= last) & (ends >= first).fill_null(value=True)).alias("purged")


def embargoed(dates: pl.Series, horizon: int, embargo: int, sessions: pl.DataFrame, last: date) -> pl.Series:
    """L4: True for training dates to drop after the block: those in `(last, session(last, +max(horizon,
    embargo))]`.
    """
    until = lagged_session(sessions, last, -max(horizon, embargo))
    after = dates > last
    return (after if until is None else after & (dates <= until)).alias("embargoed")


@dataclass(frozen=True)
class Block:
    """One walk-forward block: trained on what was known at `trained_as_of`, tested on the dates that
    follow.
    """

    number: int
    """From 0, over all blocks, also when only the last ones are asked for."""
    first: date
    """Where the block begins: its year's first day, or its first decision date."""
    trained_as_of: datetime
    """The close of the last session before `first`."""
    train: pl.Series
    """Decision dates whose label was known then."""
    test: pl.Series
    """Decision dates of the block."""


def walk_forward_blocks(
    decisions: Sequence[date],
    horizon: int,
    sessions: pl.DataFrame,
    *,
    first_test: date | int,
    refit_every: str | int = "1y",
    last_blocks: int | None = None,
    window: int | None = None,
    delay: timedelta = NO_DELAY,
) -> list[Block]:
    """L5: walk-forward blocks over ascending decision dates; train before test, so purging alone is needed.

    `first_test`: date of the first block, or the number of decision dates before it. `refit_every`: `"1y"`
    (calendar years; `"2y"`, …) or a number of decision dates. `window`: train on this many sessions up to
    `trained_as_of`. Blocks without any session before them are left out. Raises ValueError for a malformed
    `refit_every`.
    """
    days = _series(decisions)
    starts = _block_starts(list(decisions), first_test, refit_every)
    found: list[Block] = []
    for number, (start, end) in enumerate(pairwise([*starts, date.max])):
        before = sessions.filter(pl.col("session") < start)
        test = days.filter((days >= start) & (days < end))
        if before.is_empty() or test.is_empty():
            continue
        as_of = before["close"][-1]
        train = _train_dates(
            days.filter(days < start), horizon, sessions, as_of, window, before.height, delay
        )
        found.append(Block(number, start, as_of, train, test))
    return found if last_blocks is None else found[-last_blocks:]


def _train_dates(
    earlier: pl.Series,
    horizon: int,
    sessions: pl.DataFrame,
    as_of: datetime,
    window: int | None,
    past: int,
    delay: timedelta,
) -> pl.Series:
    usable = earlier.filter(trainable(earlier, horizon, sessions, as_of, delay))
    if window is None or window >= past:
        return usable
    return usable.filter(usable >= sessions["session"][past - window])


def _block_starts(decisions: list[date], first_test: date | int, refit_every: str | int) -> list[date]:
    """Where blocks begin: every n-th tested decision, or the first test and then each n-th 1 January."""
    step = _refit_step(refit_every)
    if isinstance(first_test, int):
        first_test = decisions[first_test] if first_test < len(decisions) else date.max
    tested = [day for day in decisions if day >= first_test]
    if not tested or isinstance(refit_every, int):
        return tested[::step]
    return [
        first_test,
        *(date(year, 1, 1) for year in range(first_test.year + step, tested[-1].year + 1, step)),
    ]


def _refit_step(refit_every: str | int) -> int:
    text = str(refit_every)
    number = text.removesuffix("y") if isinstance(refit_every, str) else text
    if number == refit_every or not number.isdecimal() or int(number) < 1:
        raise ValueError(
            f"refit_every {refit_every!r} is neither a number of decisions nor years such as '1y'"
        )
    return int(number)


# --- features ---


def lag_features(
    features: pl.DataFrame,
    decisions: pl.Series,
    sessions: pl.DataFrame,
    lag: int,
    max_age: int | None = None,
) -> pl.DataFrame:
    """R9 and R10: for each decision session and entity the newest feature row with `date <= session(d,
    -lag)`.

    `features`: entity str, date Date, then columns (unlagged; computed from rows known at the decision).
    Returns date (the decision), entity, feature_date, then the same columns, sorted by (date, entity).
    Columns are null where the row is more than `max_age` sessions older than the decision; an entity without
    any row yet is left out.
    """
    columns = [name for name in features.columns if name not in ("entity", "date")]
    wanted = pl.DataFrame({"date": decisions, "bound": shifted(sessions, decisions, -lag)}).drop_nulls()
    keys = wanted.join(features.select("entity").unique(), how="cross").sort("bound", "entity")
    rows = features.rename({"date": "feature_date"}).sort("feature_date", "entity")
    joined = keys.join_asof(
        rows,
        left_on="bound",
        right_on="feature_date",
        by="entity",
        strategy="backward",
        check_sortedness=False,
    )
    known = joined.filter(pl.col("feature_date").is_not_null())
    fresh = known if max_age is None else _null_when_old(known, columns, sessions, max_age)
    return fresh.select("date", "entity", "feature_date", *columns).sort("date", "entity")


def _null_when_old(
    rows: pl.DataFrame, columns: list[str], sessions: pl.DataFrame, max_age: int
) -> pl.DataFrame:
    age = positions(sessions, rows["date"]) - positions(sessions, rows["feature_date"])
    fresh = (age <= max_age).fill_null(value=False)
    return rows.with_columns(
        pl.when(fresh).then(pl.col(name)).otherwise(None).alias(name) for name in columns
    )


# --- small parts ---


def _series(dates: Sequence[date]) -> pl.Series:
    return pl.Series("date", list(dates), dtype=pl.Date())


def _moment(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise ValueError(f"pit.naive_timestamp: as_of {at.isoformat()} has no offset")
    return at.astimezone(UTC)


def _from_zero(position: pl.Expr) -> pl.Expr:
    return pl.when(position >= 0).then(position).otherwise(None)


def _at(values: pl.Series, places: pl.Series) -> pl.Series:
    inside = (places >= 0) & (places < values.len())
    index = places.to_frame("place").select(pl.when(inside).then(pl.col("place")).otherwise(None)).to_series()
    return values.gather(index) if values.len() else pl.Series([None] * places.len(), dtype=values.dtype)
