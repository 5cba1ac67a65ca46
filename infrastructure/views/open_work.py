"""Whose runs and definitions wait for something: the one question that is asked of all tenants at once."""

from collections.abc import Sequence

from sqlalchemy import literal_column, select, union

from projections.engine import generations
from projections.engine.generations import Generation
from projections.engine.projection import Projection
from projections.engine.store import ViewStore
from projections.registry import PROJECTION as REGISTRY
from projections.registry.tables import DEFINITIONS
from projections.runs import PROJECTION as RUNS_VIEW
from projections.runs.tables import RUNS
from projections.temporal import OPEN

_UNDER_WAY = ("pending", "running")


class OpenWork:
    """Tenants for whom a worker or a sweeper may have something to do, as the serving views say now."""

    def __init__(self, store: ViewStore) -> None:
        self._store = store

    def tenants_with_runs(self) -> Sequence[str]:
        """Tenants with pending or running runs."""
        return self._tenants(definitions=False)

    def tenants_with_work(self) -> Sequence[str]:
        """Tenants with pending or running runs, or with definitions that wait for their verdict."""
        return self._tenants(definitions=True)

    def _tenants(self, *, definitions: bool) -> Sequence[str]:
        is_open = literal_column(str(OPEN))
        with self._store.read() as connection:
            stored = generations.all_progress(connection)
            numbers = {each.projection: each.generation for each in stored if each.serving}
            if RUNS_VIEW.name not in numbers or REGISTRY.name not in numbers:
                return ()
            runs = _serving(RUNS_VIEW, numbers).table(RUNS).c
            wanted = select(runs.tenant).where(runs.state.in_(_UNDER_WAY), runs.valid_to == is_open)
            if definitions:
                these = _serving(REGISTRY, numbers).table(DEFINITIONS).c
                submitted = select(these.tenant).where(these.state == "submitted", these.valid_to == is_open)
                wanted = union(wanted, submitted)
            return sorted(set(connection.execute(wanted).scalars()))


def _serving(projection: Projection, numbers: dict[str, int]) -> Generation:
    return generations.generation(projection, numbers[projection.name])
