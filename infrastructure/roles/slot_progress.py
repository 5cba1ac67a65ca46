"""Up to which moment the slots of schedules are settled, as a row."""

from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from application.ports import ActivityLog
from domain.shared.times import from_micros, to_micros
from infrastructure.log_place import event_id_at, is_of_log
from infrastructure.postgres.operational import slot_progress as table


class PostgresSlotProgress:
    """`application.schedules.scheduler.SlotProgress` on the one row of `slot_progress`.

    It needs no fence: what a process that lost its turn saves is as true as before, and a moment that goes
    back repeats commands, which have one effect.
    """

    def __init__(self, engine: Engine, log: ActivityLog) -> None:
        self._engine = engine
        self._log = log

    def load(self) -> datetime | None:
        """The moment; None where no scheduler was, or where the log is another one than it followed."""
        with self._engine.connect() as connection:
            row = connection.execute(select(table)).first()
        if row is None or not is_of_log(self._log, row.position, row.event_id, row.settled_us):
            return None
        return from_micros(row.settled_us)

    def save(self, settled: datetime, position: int) -> None:
        """Every slot up to this moment is settled."""
        values = {
            "settled_us": to_micros(settled),
            "position": position,
            "event_id": event_id_at(self._log, position),
        }
        saving = insert(table).values(id=1, **values)
        with self._engine.begin() as connection:
            connection.execute(saving.on_conflict_do_update(index_elements=["id"], set_=values))
