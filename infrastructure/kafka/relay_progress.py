"""The relay's rows in PostgreSQL: how far it is, whose, and the last event of each partition and tenant."""

import time
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, Engine, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from domain.shared.errors import Kind, RuleBroken
from infrastructure.failpoints import hit
from infrastructure.kafka.relay import Delivered, RelayFenced, Standing
from infrastructure.postgres.connections import engine
from infrastructure.postgres.operational import relay_partition, relay_progress, relay_tenant, store_epoch

_SESSIONS = "optaic-mlops relay"
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name = %s
AND pid <> pg_backend_pid()
"""


class StoreEpochMissing(RuleBroken):
    """The database names no epoch of its log: it was not installed."""

    kind = Kind.UNAVAILABLE
    remedy = "Install the schemas first; the owner of the database does it once."


def open_rows(database_url: str) -> Engine:
    """For whoever has the relay's turn."""
    return engine(database_url, application_name=_SESSIONS, pool_size=1, overflow=2)


def read_epoch(rows: Engine) -> str:
    """The life of this log. Raises StoreEpochMissing."""
    with rows.connect() as connection:
        epoch = connection.execute(select(store_epoch.c.epoch)).scalar()
    if epoch is None:
        raise StoreEpochMissing("there is no row in store_epoch")
    return epoch


def write_epoch(connection: Connection, epoch: str) -> None:
    """From now on this is another life of the log, or the continuation of a known one."""
    row = insert(store_epoch).values(id=1, epoch=epoch)
    connection.execute(row.on_conflict_do_update(index_elements=["id"], set_={"epoch": epoch}))


def read_standing(rows: Engine) -> Standing | None:
    """Where the relay stands; None before its first start."""
    with rows.connect() as connection:
        first = connection.execute(select(relay_progress.c.position, relay_progress.c.partitions)).first()
        if first is None:
            return None
        found = connection.execute(select(relay_partition)).all()
    return Standing(first[0], first[1], {each[0]: Delivered(each[1], each[2]) for each in found})


def forget_progress(rows: Engine, epoch: str) -> str:
    """Another life of the log begins: nothing of it was published yet. Returns the epoch."""
    with rows.begin() as connection:
        for table in (relay_progress, relay_partition, relay_tenant):
            connection.execute(delete(table))
        write_epoch(connection, epoch)
    return epoch


class PostgresProgress:
    """The fenced rows, as one owner moves them."""

    def __init__(self, rows: Engine, owner: str) -> None:
        """`owner`: a name that no other relay ever had."""
        self._engine = rows
        self._owner = owner

    def take(self) -> Standing | None:
        """Become the owner: the former one can move nothing any more. None if nothing was published yet."""
        with self._engine.begin() as connection:
            _end_others(connection)
            connection.execute(update(relay_progress).values(owner=self._owner))
        return read_standing(self._engine)

    def begin(
        self,
        partitions: int,
        position: int = 0,
        tenants: Mapping[str, int] | None = None,
        delivered: Mapping[int, Delivered] | None = None,
        epoch: str | None = None,
    ) -> None:
        """Start over at a position, as the owner; an epoch is written along if one is given."""
        values = {"owner": self._owner, "position": position, "partitions": partitions}
        values["moved_at_us"] = time.time_ns() // 1000
        row = insert(relay_progress).values(id=1, **values)
        with self._engine.begin() as connection:
            _end_others(connection)
            connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))
            connection.execute(delete(relay_partition))
            connection.execute(delete(relay_tenant))
            _write(connection, delivered or {}, tenants or {})
            if epoch is not None:
                write_epoch(connection, epoch)

    def tenants(self, names: Iterable[str]) -> Mapping[str, int]:
        """The last published position of tenants; those without one are left out."""
        asked = select(relay_tenant).where(relay_tenant.c.tenant.in_(list(names)))
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(asked)}

    def move(
        self, expected: int, to: int, delivered: Mapping[int, Delivered], tenants: Mapping[str, int]
    ) -> None:
        """Move on from `expected`, all rows in one transaction. Raises RelayFenced."""
        ours = (relay_progress.c.position == expected) & (relay_progress.c.owner == self._owner)
        moved = update(relay_progress).where(ours).values(position=to, moved_at_us=time.time_ns() // 1000)
        with self._engine.begin() as connection:
            if connection.execute(moved).rowcount != 1:
                raise RelayFenced(f"the progress is no longer ours at position {expected}", position=expected)
            hit("relay.within_progress")
            _write(connection, delivered, tenants)


def _end_others(connection: Connection) -> None:
    """The former owner, frozen within the transaction that moves its progress, would keep the rows for as
    long: no time limit of the server counts between the messages of a pipeline.
    """
    connection.exec_driver_sql(_END_OTHERS, (_SESSIONS,))


def _write(connection: Connection, delivered: Mapping[int, Delivered], tenants: Mapping[str, int]) -> None:
    if delivered:
        rows = [
            {"partition": partition, "position": last.position, "kafka_offset": last.offset}
            for partition, last in sorted(delivered.items())
        ]
        new = insert(relay_partition)
        values = {"position": new.excluded.position, "kafka_offset": new.excluded.kafka_offset}
        connection.execute(new.on_conflict_do_update(index_elements=["partition"], set_=values), rows)
    if tenants:
        rows = [{"tenant": tenant, "position": position} for tenant, position in sorted(tenants.items())]
        new = insert(relay_tenant).values(tenant=bindparam("tenant"), position=bindparam("position"))
        changed = new.on_conflict_do_update(
            index_elements=["tenant"], set_={"position": new.excluded.position}
        )
        connection.execute(changed, rows)
