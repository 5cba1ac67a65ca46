"""Operational state: rows that make roles work and that no event explains. Losing them loses no history."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Integer, LargeBinary, MetaData, Table, Text

SCHEMA = "optaic_ops"
metadata = MetaData(schema=SCHEMA)

store_epoch = Table(
    "store_epoch",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("epoch", Text, nullable=False),
)
"""One row: the life of this log. A restored store begins a new one: a topic that is ahead is noticed."""

relay_progress = Table(
    "relay_progress",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("partitions", Integer, nullable=False),
    Column("moved_at_us", BigInteger, nullable=False),
)
"""One row: all up to `position` is on Kafka. Moved only where position and owner are still expected."""

relay_partition = Table(
    "relay_partition",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("kafka_offset", BigInteger, nullable=False),
)
"""The last event of each partition: a view that has it has everything of that partition's tenants that the
relay had published when it wrote this."""

relay_tenant = Table(
    "relay_tenant",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
"""The last published event of each tenant: what the next one names as `previous`."""

run_lease = Table(
    "run_lease",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("expires_at_us", BigInteger, nullable=False),
    Column("fraction", Float),
    Column("message", Text),
)
"""Running runs as their workers last spoke of them, by the database's clock; gone when they end."""


def _followed(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        Column("owner", Text, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("event_id", Text),
        Column("saved_at_us", BigInteger, nullable=False),
    )


policy_progress = _followed("policy_progress")
"""One row: how far the policies have come, and in which log."""

webhook_progress = _followed("webhook_progress")
"""One row: up to where the webhook was told, and in which log."""

slot_progress = Table(
    "slot_progress",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("settled_us", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("event_id", Text),
)
"""One row: up to which moment every slot of a schedule is settled, and in which log."""

service_secret = Table(
    "service_secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""Keys that every process of a role shares, such as that of the runs' tokens."""
