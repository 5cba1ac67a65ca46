"""Many reads, each as of its own moment, answered from few frames: exact, and fast where nothing was revised.

A *read* wants a causal function of the rows that were known at its `moment`, at dates up to its `cutoff`.
Take a frame as of a later moment: its rows up to `cutoff` differ from those of the read's own frame only by
rows that became known in between. So call a row *late* if some read wanted its date before it was known; a
revision is late for every read that saw what it replaces. Reads between two consecutive knowledge times of
late rows form an *epoch*: the frame as of the last moment of the epoch answers all of them. Without late rows
there is one epoch, and one computation.

Late rows at the very end of a read (today's row that comes after the decision, every day) would make every
read an epoch of its own. So a read's cutoff is first moved back to its `bound`: the last date of which
anything was known at its moment; rows after the bound did not exist for it.
"""

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from optaic.mlops.pipelines.knowledge import History

READS_SCHEMA = {"cutoff": pl.Date(), "moment": pl.Datetime("us", "UTC")}


@dataclass(frozen=True)
class Epoch:
    """Reads that one frame answers: their row numbers, and the moment of that frame."""

    moment: datetime
    rows: list[int]


@dataclass(frozen=True)
class Plan:
    """How reads are answered: each read's bound (null: nothing was known), and the epochs."""

    bounds: pl.Series
    epochs: list[Epoch]


def plan_reads(histories: Collection[History], reads: pl.DataFrame) -> Plan:
    """Group reads (columns cutoff Date, moment Datetime(us, UTC)) into epochs."""
    rows = pl.concat([history.revisions.select("date", "knowledge_date") for history in histories])
    bounds = _bounds(rows, reads)
    bounded = reads.select(bounds.alias("cutoff"), "moment")
    changes = rows.filter(_late(rows, bounded))["knowledge_date"].unique().sort()
    numbered = bounded.select(
        "moment",
        epoch=changes.search_sorted(bounded["moment"], side="right"),
        row=pl.int_range(pl.len()),
    )
    grouped = numbered.group_by("epoch").agg(pl.col("moment").max(), pl.col("row")).sort("epoch")
    epochs = [Epoch(moment, list(members)) for moment, members in grouped.select("moment", "row").iter_rows()]
    return Plan(bounds, epochs)


def _bounds(rows: pl.DataFrame, reads: pl.DataFrame) -> pl.Series:
    """For each read the last date up to its cutoff of which some row was known at its moment."""
    first = rows.group_by("date").agg(pl.col("knowledge_date").min()).sort("date")
    dates: list[date] = first["date"].to_list()
    known: list[datetime] = first["knowledge_date"].to_list()
    earliest: list[datetime] = first["knowledge_date"].cum_min().to_list()
    found = [_bound(dates, known, earliest, cutoff, moment) for cutoff, moment in reads.iter_rows()]
    return pl.Series("bound", found, dtype=pl.Date())


def _bound(
    dates: list[date], known: list[datetime], earliest: list[datetime], cutoff: date | None, moment: datetime
) -> date | None:
    place = -1 if cutoff is None else bisect_right(dates, cutoff) - 1
    while place >= 0 and earliest[place] <= moment:
        if known[place] <= moment:
            return dates[place]
        place -= 1
    return None


def _late(rows: pl.DataFrame, reads: pl.DataFrame) -> pl.Series:
    """True for rows that became known after the moment of some read that wants their date."""
    wanted = reads.drop_nulls("cutoff").sort("cutoff", descending=True)
    if wanted.is_empty():
        return pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
    earliest = wanted.select("cutoff", pl.col("moment").cum_min().alias("wanted_at"))
    by_cutoff = earliest.group_by("cutoff").agg(pl.col("wanted_at").min()).sort("cutoff")
    numbered = rows.with_row_index("row").sort("date")
    joined = numbered.join_asof(by_cutoff, left_on="date", right_on="cutoff", strategy="forward").sort("row")
    return (joined["knowledge_date"] > joined["wanted_at"]).fill_null(value=False)
