"""Who knows where the views stand: the projector that folds them here, or whoever follows those elsewhere."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from application.ports import ActivityLog
from application.views import ProjectionStatus
from projections.engine.projection import Projection
from projections.engine.store import ViewStore


class Serving(NamedTuple):
    """The generation of a view that serves, and what it has of a tenant."""

    generation: int
    position: int
    """Everything of the tenant up to here is folded."""


class Keeper(Protocol):
    """What queries need beside the rows themselves."""

    @property
    def log(self) -> ActivityLog:
        """The log that the views are folds of."""
        ...

    @property
    def store(self) -> ViewStore:
        """Where the views are."""
        ...

    @property
    def projections(self) -> Mapping[str, Projection]:
        """All views by name."""
        ...

    def has(self, names: Sequence[str], position: int, tenant: str) -> bool:
        """Whether these views are known to have everything of a tenant up to a position; asks nobody."""
        ...

    def serving(self, connection: Connection, tenant: str) -> Mapping[str, Serving]:
        """The serving generations as a connection's snapshot has them."""
        ...

    def wait_for(self, projection: str, position: int, timeout_s: float, tenant: str | None = None) -> None:
        """Wait until a view has a position, of one tenant or of all. Raises ProjectionBehind, ViewUnknown."""
        ...

    def wait(self, position: int, timeout_s: float, tenant: str | None = None) -> None:
        """Wait until every view has a position, of one tenant or of all. Raises ProjectionBehind."""
        ...

    def status(self) -> tuple[ProjectionStatus, ...]:
        """Where each view stands."""
        ...
