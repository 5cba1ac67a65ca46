"""The statements of the PostgreSQL writer.

Lookups by row are scalar subqueries or LATERAL with LIMIT: such are never turned into joins, so a plan made
while the tables were empty is still an index lookup when they are not.
"""

from infrastructure.activity_log import schema
from infrastructure.activity_log.schema import COLUMNS

CHANNEL = "optaic_log_head"
"""Where every commit tells the new head."""

_ARRAY_TYPES = {int: "bigint[]", str: "text[]", bytes: "bytea[]"}

KINDS: tuple[type, ...] = tuple(column.type.python_type for column in schema.activity_log.columns)
PREPARED_KINDS = (*KINDS[1:17], bytes)
"""The columns that a command brings: all but position and recorded time."""
OUTCOME_KINDS: tuple[type, ...] = tuple(column.type.python_type for column in schema.command_outcome.columns)


def _arrays(kinds: tuple[type, ...]) -> str:
    return ", ".join(f"%s::{_ARRAY_TYPES[kind]}" for kind in kinds)


_BROUGHT = (*COLUMNS[1:17], "payload")


def _append(position: str, columns: tuple[str, ...], source: str) -> str:
    return f"""
WITH moved AS (
    UPDATE log_head AS head
    SET position = head.position + %s, recorded_at_us = greatest(head.recorded_at_us, %s)
    WHERE head.id = 1 AND head.xmin = (SELECT xmin FROM log_head)
    AND NOT EXISTS (
        SELECT FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS wanted (stream_id, version, tenant)
        WHERE wanted.tenant IS DISTINCT FROM (
            SELECT tenant FROM activity_log
            WHERE stream_id = wanted.stream_id AND stream_version = wanted.version))
    AND NOT EXISTS (
        SELECT FROM unnest(%s::text[], %s::bigint[]) AS unwanted (stream_id, version)
        WHERE (SELECT true FROM activity_log
               WHERE stream_id = unwanted.stream_id AND stream_version = unwanted.version))
    AND NOT EXISTS (
        SELECT FROM unnest(%s::text[], %s::text[]) AS sent (tenant, command_id)
        WHERE (SELECT true FROM command_outcome
               WHERE tenant = sent.tenant AND command_id = sent.command_id))
    RETURNING position, recorded_at_us
), added AS (
    INSERT INTO activity_log
    SELECT {position}, {", ".join(columns[:-1])}, moved.recorded_at_us, {columns[-1]} FROM {source}
)
SELECT position, recorded_at_us, pg_notify('{CHANNEL}', position::text) FROM moved"""  # noqa: S608


APPEND = _append(
    "moved.position - %s + event.number",
    tuple(f"event.{name}" for name in _BROUGHT),
    f"moved, unnest({_arrays(PREPARED_KINDS)}) WITH ORDINALITY AS event ({', '.join(_BROUGHT)}, number)",
)
"""The whole append: moves the head if it still is the one of the statement's own snapshot (nobody committed
while this waited for the row, so what the snapshot shows is true under the lock), every predecessor is there,
no checked stream has gone on and no command has an outcome. An equal version or a repeated command id breaks
a unique key. No row: one of these is not so."""

_TYPES = {int: "bigint", str: "text", bytes: "bytea"}
APPEND_ONE = _append("moved.position", tuple(f"%s::{_TYPES[kind]}" for kind in PREPARED_KINDS), "moved")
"""The same for one event, without arrays: a tenth quicker."""

LOCK = "SELECT position, recorded_at_us FROM log_head WHERE id = 1 FOR UPDATE"
BEGIN_CHECKED = f"BEGIN; SET LOCAL plan_cache_mode = force_custom_plan; {LOCK}"
PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = 0"
HEAD = "SELECT position, recorded_at_us FROM log_head"

KNOWN = """
SELECT tenant, command_id FROM unnest(%s::text[], %s::text[]) AS asked (tenant, command_id)
WHERE (SELECT true FROM activity_log
       WHERE tenant = asked.tenant AND command_id = asked.command_id LIMIT 1)
   OR (SELECT true FROM command_outcome WHERE tenant = asked.tenant AND command_id = asked.command_id)"""

STREAMS = """
SELECT asked.stream_id, last.stream_version, last.tenant FROM unnest(%s::text[]) AS asked (stream_id)
CROSS JOIN LATERAL (
    SELECT stream_version, tenant FROM activity_log
    WHERE stream_id = asked.stream_id ORDER BY stream_version DESC LIMIT 1) AS last"""

INSERT_AND_MOVE = f"""
WITH added AS (INSERT INTO activity_log SELECT * FROM unnest({_arrays(KINDS)}))
UPDATE log_head SET position = %s, recorded_at_us = %s WHERE id = 1 AND position = %s
RETURNING pg_notify('{CHANNEL}', position::text)"""  # noqa: S608

COPY_ROWS = "COPY activity_log FROM STDIN (FORMAT BINARY)"
COPY_TYPES = [{int: "int8", str: "text", bytes: "bytea"}[kind] for kind in KINDS]
MOVE = f"""
UPDATE log_head SET position = %s, recorded_at_us = %s WHERE id = 1 AND position = %s
RETURNING pg_notify('{CHANNEL}', position::text)"""  # noqa: S608

INSERT_OUTCOMES = f"INSERT INTO command_outcome SELECT * FROM unnest({_arrays(OUTCOME_KINDS)})"  # noqa: S608
TOUCH_HEAD = "UPDATE log_head SET position = position WHERE id = 1"
"""Makes a new version of the row, so that an append that waits for it looks again."""

FORGET = "DELETE FROM command_outcome WHERE recorded_at_us < %s"
