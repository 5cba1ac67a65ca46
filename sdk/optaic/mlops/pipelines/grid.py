"""The sessions of a run and the decisions on them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import polars as pl

from optaic.mlops.base import BaseTrainer
from optaic.mlops.pipelines.knowledge import Inputs, Reader
from optaic.mlops.point_in_time import MOMENT, sessions_of_rows
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import RunDescription


@dataclass(frozen=True)
class Grid:
    """Sessions from the primary dataset's first date up to the run's `as_of`, and the decisions among them.

    `sessions`: session Date, close Datetime(us, UTC). `decisions`: date Date, moment Datetime(us, UTC),
    ascending.
    """

    sessions: pl.DataFrame
    decisions: pl.DataFrame


def make_grid(description: RunDescription, inputs: Inputs, reader: Reader, trainer: BaseTrainer) -> Grid:
    """Sessions of the calendar, or without one the rows' own dates; decisions as the definition picks them.

    The grid begins at the primary dataset's first date, so that counting every n-th session gives the same
    decisions whenever it is done.
    """
    rows = inputs.history(inputs.primary.role).revisions
    if rows.is_empty():
        raise RunRefused(
            "run.inputs_invalid", f"{inputs.primary.dataset} holds no row known at {description.as_of}"
        )
    calendar = description.config.calendar or inputs.primary.calendar
    sessions = (
        sessions_of_rows(rows)
        if calendar is None
        else _calendar_sessions(reader, calendar, _first(rows), description.as_of)
    )
    moments = _moments(sessions, description.config.decision_time)
    known = sessions.filter(pl.col("close") <= description.as_of)
    decided = _decisions(trainer, sessions, moments).filter(pl.col("moment") <= description.as_of)
    return Grid(known, decided)


def _first(rows: pl.DataFrame) -> date:
    first = rows["date"].min()
    assert isinstance(first, date)
    return first


def _calendar_sessions(reader: Reader, calendar: str, first: date, as_of: datetime) -> pl.DataFrame:
    closes = reader.sessions(calendar, first, as_of.astimezone(UTC).date())
    return closes.rename({"date": "session"}).sort("session")


def _moments(sessions: pl.DataFrame, decision_time: str | None) -> pl.Series:
    """R0: the session's close, or the configured time of its day (`16:30 America/New_York`)."""
    if decision_time is None:
        return sessions["close"].alias("moment")
    clock, _, zone = decision_time.partition(" ")
    at, where = time.fromisoformat(clock), ZoneInfo(zone)
    local = [datetime.combine(day, at, where).astimezone(UTC) for day in sessions["session"]]
    return pl.Series("moment", local, dtype=MOMENT)


def _decisions(trainer: BaseTrainer, sessions: pl.DataFrame, moments: pl.Series) -> pl.DataFrame:
    all_dates = sessions.select(pl.col("session").alias("date")).with_columns(moments)
    picked = trainer.decision_dates(all_dates["date"].to_list())
    chosen = pl.Series("date", picked, dtype=pl.Date()).unique().to_frame()
    return all_dates.join(chosen, on="date", how="semi").sort("date")
