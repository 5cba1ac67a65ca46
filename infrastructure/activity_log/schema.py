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
_text = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte for byte everywhere."""

activity_log = Table(
    "activity_log",
    metadata,
    Column("position", _integer, primary_key=True, autoincrement=False),
    Column("event_id", _text, nullable=False),
    Column("tenant", _text, nullable=False),
    Column("stream_id", _text, nullable=False),
    Column("stream_version", _integer, nullable=False),
    Column("resource_type", _text, nullable=False),
    Column("resource_id", _text, nullable=False),
    Column("topic", _text, nullable=False),
    Column("actor", _text, nullable=False),
    Column("auth_method", _text, nullable=False),
    Column("on_behalf_of", _text),
    Column("reason", _text),
    Column("command_id", _text, nullable=False),
    Column("ordinal", _integer, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("correlation_id", _text, nullable=False),
    Column("causation_id", _text),
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
    Column("tenant", _text, primary_key=True),
    Column("command_id", _text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("kind", _text, nullable=False),
    Column("code", _text),
    Column("detail", _text),
    Column("facts", LargeBinary, nullable=False),
    Column("position", _integer, nullable=False),
    Column("recorded_at_us", _integer, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Outcomes that left no event (refused, unchanged): operational, kept for a time, not part of the record."""

INDEXED_TYPE = "access"
"""Events about this type are read by themselves: the keys of all tenants, a few among millions of rows."""

TYPE_INDEX = f"""
CREATE INDEX IF NOT EXISTS activity_log_{INDEXED_TYPE} ON {{table}} (resource_type, position)
WHERE resource_type = '{INDEXED_TYPE}'"""
"""Text, for an `Index` with a condition would load SQLAlchemy's PostgreSQL dialect into every command."""

COLUMNS: tuple[str, ...] = tuple(column.name for column in activity_log.columns)
"""The columns of the log in declared order: the order of the record, of rows and of export lines."""
