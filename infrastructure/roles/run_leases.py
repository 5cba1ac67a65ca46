"""Leases and progress of running runs as rows, by the database's clock: workers and sweepers share them."""

from collections.abc import Sequence

from sqlalchemy import Engine, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ColumnElement

from infrastructure.leases import LEASE
from infrastructure.postgres.operational import run_lease
from infrastructure.run_progress import Progress

_US = 1_000_000


def _now_us() -> ColumnElement[int]:
    return func.floor(func.extract("epoch", func.clock_timestamp()) * _US)


def _expiry() -> ColumnElement[int]:
    return _now_us() + literal(int(LEASE.total_seconds()) * _US)


class PostgresLeaseBook:
    """`infrastructure.leases.LeaseBook`, and how far each run is: `infrastructure.run_progress.Board`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def renew(self, run_id: str) -> None:
        """The run was heard of."""
        self._put(run_id, {})

    def say(self, run_id: str, progress: Progress) -> None:
        """The run was heard of, and how far it is."""
        self._put(run_id, {"fraction": progress.fraction, "message": progress.message})

    def of(self, run_id: str) -> Progress | None:
        """What a run's worker said last; None if it has said nothing."""
        with self._engine.begin() as connection:
            columns = (run_lease.c.fraction, run_lease.c.message)
            row = connection.execute(select(*columns).where(run_lease.c.run_id == run_id)).first()
        if row is None or row.fraction is None:
            return None
        return Progress(fraction=row.fraction, message=row.message)

    def forget(self, run_id: str) -> None:
        """The run is over."""
        with self._engine.begin() as connection:
            connection.execute(delete(run_lease).where(run_lease.c.run_id == run_id))

    def review(self, run_ids: Sequence[str]) -> set[str]:
        """Those of all running runs whose time is over; the others' leases begin, or go with their runs."""
        with self._engine.begin() as connection:
            connection.execute(delete(run_lease).where(run_lease.c.run_id.not_in(list(run_ids))))
            if not run_ids:
                return set()
            fresh = insert(run_lease).values([{"run_id": one, "expires_at_us": _expiry()} for one in run_ids])
            connection.execute(fresh.on_conflict_do_nothing())
            over = select(run_lease.c.run_id).where(run_lease.c.expires_at_us < _now_us())
            return set(connection.execute(over).scalars())

    def _put(self, run_id: str, said: dict[str, float | str]) -> None:
        wanted = insert(run_lease).values(run_id=run_id, expires_at_us=_expiry(), **said)
        renewed = {"expires_at_us": wanted.excluded.expires_at_us} | {
            name: wanted.excluded[name] for name in said
        }
        with self._engine.begin() as connection:
            connection.execute(wanted.on_conflict_do_update(index_elements=["run_id"], set_=renewed))
