"""The tables of the log: envelope columns and payload bytes; only integer, text and bytes everywhere."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

FORM = 1
"""The form of these tables, kept in the file (SQLite: user_version)."""

metadata = MetaData()
_integer = BigInteger().with_variant(Integer(), "sqlite")

activity_log = Table(
    "activity_log",
    metadata,
    Column("position", _integer, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("stream_id", Text, nullable=False),
    Column("stream_version", _integer, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("auth_method", Text, nullable=False),
    Column("on_behalf_of", Text),
    Column("reason", Text),
    Column("command_id", Text, nullable=False),
    Column("ordinal", _integer, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("causation_id", Text),
    Column("recorded_at_us", _integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("stream_id", "stream_version", name="activity_log_stream"),
    UniqueConstraint("tenant", "command_id", "ordinal", name="activity_log_command"),
    sqlite_strict=True,
)
"""One row an event. Positions run 1..N without a hole and are given by the append, never by the database."""

log_head = Table(
    "log_head",
    metadata,
    Column("id", _integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("position", _integer, nullable=False),
    Column("recorded_at_us", _integer, nullable=False),
    sqlite_strict=True,
)
"""The one row that orders all appends: the last position and the last recorded time (µs since 1970)."""

command_outcome = Table(
    "command_outcome",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("command_id", Text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("code", Text),
    Column("detail", Text),
    Column("facts", LargeBinary, nullable=False),
    Column("position", _integer, nullable=False),
    Column("recorded_at_us", _integer, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Outcomes that left no event (refused, unchanged): operational, kept for a time, not part of the record."""

COLUMNS: tuple[str, ...] = tuple(column.name for column in activity_log.columns)
"""The columns of the log in declared order: the order of the record, of rows and of export lines."""
