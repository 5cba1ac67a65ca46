"""How far the policies have come, as a fenced row: only the process that took it last moves it."""

from uuid import uuid4

from sqlalchemy import Engine, select, update
from sqlalchemy.dialects.postgresql import insert

from application.policies.runner import PoliciesFenced
from application.ports import ActivityLog, Clock
from domain.shared.times import to_micros
from infrastructure.log_place import event_id_at, is_of_log
from infrastructure.postgres.operational import policy_progress as table


class PostgresPolicyProgress:
    """`application.policies.runner.Progress` on the one row of `policy_progress`."""

    def __init__(self, engine: Engine, log: ActivityLog, clock: Clock) -> None:
        self._engine = engine
        self._log = log
        self._clock = clock
        self._owner = uuid4().hex

    def load(self) -> int | None:
        """Take the row; the last position acted on, None where no policy has been or where the log is another
        one than they followed: it was imported, or restored and went another way.
        """
        fresh = insert(table).values(
            id=1, owner=self._owner, position=0, event_id=None, saved_at_us=self._now_us()
        )
        taking = fresh.on_conflict_do_update(index_elements=["id"], set_={"owner": self._owner})
        columns = (table.c.position, table.c.event_id, table.c.saved_at_us)
        with self._engine.begin() as connection:
            known = connection.execute(select(table.c.id)).first() is not None
            connection.execute(taking)
            row = connection.execute(select(*columns)).one()
        is_ours = known and is_of_log(self._log, row.position, row.event_id, row.saved_at_us)
        return row.position if is_ours else None

    def save(self, position: int) -> None:
        """Everything up to this position was acted on. Raises PoliciesFenced if another one took the row."""
        moved = (
            update(table)
            .where(table.c.owner == self._owner)
            .values(position=position, event_id=event_id_at(self._log, position), saved_at_us=self._now_us())
        )
        with self._engine.begin() as connection:
            if connection.execute(moved).rowcount != 1:
                raise PoliciesFenced(f"another process has the policies since before position {position}")

    def _now_us(self) -> int:
        return to_micros(self._clock.now())
