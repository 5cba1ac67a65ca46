"""As-of frames of a run's inputs, made from every row that was known when the run was allowed to look.

A *revisions frame* holds entity str, date Date, knowledge_date Datetime(us, UTC), the dataset's columns, seq
Int64 and op str, in (entity, date, knowledge_date, seq) order.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Protocol

import polars as pl

from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import RunDescription

KEY = ("entity", "date")


class Reader(Protocol):
    """The part of a run's connection that reads."""

    def revisions(self, role: str, as_of: datetime) -> pl.DataFrame:
        """Every stored row of an input that was known at a moment."""
        ...

    def sessions(self, calendar: str, first: date, last: date) -> pl.DataFrame:
        """Sessions in [first, last]: date, close."""
        ...


class History:
    """All rows of one input known at the run's `as_of`; any earlier as-of frame follows from them."""

    def __init__(self, revisions: pl.DataFrame) -> None:
        self.revisions = revisions
        self._is_plain = _is_plain(revisions)

    def as_of(self, moment: datetime) -> pl.DataFrame:
        """R2: per key the row with the greatest (knowledge_date, seq) known by then, without tombstones."""
        known = self.revisions.filter(pl.col("knowledge_date") <= moment)
        if not self._is_plain:
            known = known.unique(KEY, keep="last", maintain_order=True).filter(pl.col("op") == "U")
        return known.drop("seq", "op").sort("date", "entity")


class Inputs:
    """The histories of a run's inputs by role, each read once."""

    def __init__(self, reader: Reader, description: RunDescription) -> None:
        if not description.inputs:
            raise RunRefused("run.inputs_invalid", "the run has no inputs")
        self.as_of = description.as_of
        self.inputs = {item.role: item for item in description.inputs}
        self.primary = next((one for one in description.inputs if one.use == "input"), description.inputs[0])
        """The input whose dates are the decisions: the first that features may use."""
        self._reader = reader
        self._histories: dict[str, History] = {}

    def history(self, role: str) -> History:
        """The history of one input."""
        if role not in self._histories:
            self._histories[role] = History(self._reader.revisions(role, self.as_of))
        return self._histories[role]

    def histories(self, roles: Iterable[str]) -> dict[str, History]:
        """The histories of several inputs."""
        return {role: self.history(role) for role in roles}

    @property
    def feature_roles(self) -> tuple[str, ...]:
        """Roles that features may use: everything but outcomes."""
        return tuple(role for role, item in self.inputs.items() if item.use == "input")


def frames_as_of(histories: Mapping[str, History], moment: datetime) -> dict[str, pl.DataFrame]:
    """Role → the rows known at a moment."""
    return {role: history.as_of(moment) for role, history in histories.items()}


def _is_plain(revisions: pl.DataFrame) -> bool:
    """One row a key and no tombstone: every row known by a moment is part of the frame as of it."""
    return (
        not (revisions["op"] == "D").any()
        and not revisions.select(pl.struct(KEY).is_duplicated().any()).item()
    )
