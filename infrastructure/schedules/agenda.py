"""Who has schedules that may have changed: `application.schedules.scheduler.Agenda` over the registry."""

from collections.abc import Callable, Sequence

from sqlalchemy import literal_column, or_, select

from projections.engine import generations
from projections.engine.store import ViewStore
from projections.registry import PROJECTION as REGISTRY
from projections.registry.tables import INSTANCES
from projections.temporal import OPEN

_WAIT_S = 5.0


class ViewAgenda:
    """Instances of all tenants, as the serving view says once it has everything that is asked for."""

    def __init__(self, store: ViewStore, wait: Callable[[int, float], None]) -> None:
        self._store = store
        self._wait = wait

    def changed(self, after: int, upto: int) -> Sequence[tuple[str, str]]:
        """(tenant, instance) specified or archived after a position. Raises ProjectionBehind."""
        if upto <= after:
            return ()
        self._wait(upto, _WAIT_S)
        with self._store.read() as connection:
            stored = generations.all_progress(connection)
            serving = {one.generation for one in stored if one.serving and one.projection == REGISTRY.name}
            if not serving:
                return ()
            rows = generations.generation(REGISTRY, max(serving)).table(INSTANCES).c
            is_open = rows.valid_to == literal_column(str(OPEN))
            moved = or_(rows.specified > after, rows.archived > after)
            found = connection.execute(select(rows.tenant, rows.name).where(is_open, moved))
            return sorted({(row.tenant, row.name) for row in found})
