"""What must hold of the whole stack afterwards, read from outside: psycopg, kafka-python, the public API.

Nothing of the service's own reading code is used for log and topics.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from tests.guarantees.roles_history import Op
from tests.guarantees.roles_world import Tenant, http
from tests.kafka.conftest import read_whole_topic
from tests.support.compose import Stack

ACTIVITY = "optaic.mlops.activity.v1"
RESULTS = "optaic.mlops.command-results.v1"
DEAD_LETTERS = "optaic.mlops.commands.dlq.v1"
_COLUMNS = "position, event_id, tenant, command_id, ordinal, actor, auth_method, topic, stream_id, payload"


class Row(NamedTuple):
    """A stored event, as far as it is looked at."""

    position: int
    event_id: str
    tenant: str
    command_id: str
    ordinal: int
    actor: str
    auth_method: str
    topic: str
    stream_id: str
    payload: bytes

    @property
    def action(self) -> str:
        """What happened, without the version of its form."""
        return self.topic.partition(":")[0]

    @property
    def said(self) -> dict[str, Any]:
        """The event's fields."""
        return json.loads(self.payload)


def read_log(stack: Stack) -> list[Row]:
    """All rows; their positions are 1..N."""
    with psycopg.connect(stack.database_url) as connection:
        found = connection.execute(
            f"SELECT {_COLUMNS} FROM optaic_log.activity_log ORDER BY position"  # type: ignore[arg-type]
        ).fetchall()
    rows = [Row._make((*one[:-1], bytes(one[-1]))) for one in found]
    assert [row.position for row in rows] == list(range(1, len(rows) + 1)), "a hole in the positions"
    return rows


def check_history(rows: Sequence[Row], ops: Sequence[Op]) -> None:
    """Every accepted command is there once and whole, no refused one is, an unknown one at most once."""
    of_command: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        of_command[row.tenant, row.command_id].append(row)
    for key, events in of_command.items():
        first = events[0].position
        assert [one.ordinal for one in events] == list(range(len(events))), f"{key} is not whole"
        assert [one.position for one in events] == list(range(first, first + len(events))), f"{key} is torn"
    for op in ops:
        events = of_command.get((op.tenant, str(op.command_id)), [])
        if op.status == "ok" and op.outcome == "accepted":
            assert events, f"acknowledged and lost: {op}"
            assert events[-1].position == op.position, f"elsewhere: {op}, {events}"
        elif op.status != "unknown":
            assert not events, f"refused or unchanged, and there: {op}, {events}"


def check_one_effect(rows: Sequence[Row]) -> None:
    """Whatever was created, was created once."""
    created = [
        (row.tenant, row.stream_id)
        for row in rows
        if row.action in ("dataset.created", "model_instance.created")
    ]
    assert created, "nothing was created"
    assert len(created) == len(set(created)), "something was created twice"


def check_one_in_production(rows: Sequence[Row]) -> int:
    """At every position at most one production version an instance; returns how often it changed."""
    active: dict[tuple[str, str], int] = {}
    changes = 0
    for row in rows:
        if not row.action.startswith("model_version."):
            continue
        said = row.said
        key = row.tenant, said["instance"]
        match row.action:
            case "model_version.archived" if said["former_stage"] == "production":
                if active.get(key) == said["number"]:
                    del active[key]
                else:  # in one command with its successor's promotion, behind it
                    assert active.get(key) == said["replaced_by"], row
            case "model_version.promoted" | "model_version.rolled_back":
                assert active.get(key) in (None, said["replaces"]), f"two in production: {row}"
                active[key] = said["number"]
                changes += 1
            case _:
                pass
    return changes


def check_activity(stack: Stack, rows: Sequence[Row]) -> int:
    """Every event is on Kafka as in the log, in its order, chained per tenant; returns the repetitions."""
    last: dict[str, int] = {}
    previous: dict[int, int] = {}
    for row in rows:
        previous[row.position] = last.get(row.tenant, 0)
        last[row.tenant] = row.position
    of_partition: dict[int, list[Any]] = defaultdict(list)
    for message in read_whole_topic(stack.kafka.bootstrap, ACTIVITY):
        of_partition[message.partition].append(message)
    seen: dict[int, Any] = {}
    repeated = 0
    for messages in of_partition.values():
        highest = 0
        for message in messages:
            headers = {name: value.decode() for name, value in message.headers}
            position = int(headers["ce_sequence"])
            told = (headers["ce_id"], message.key.decode(), message.value, int(headers["ce_previous"]))
            if position in seen:
                repeated += 1
                assert seen[position] == told, f"position {position} was published in two forms"
                continue
            assert position > highest, f"position {position} comes after {highest}"
            highest, seen[position] = position, told
    expected = {row.position: (row.event_id, row.tenant, row.payload, previous[row.position]) for row in rows}
    assert seen == expected, f"{sorted(set(expected) ^ set(seen))[:10]} are on one side only"
    return repeated


def check_results(stack: Stack, ops: Sequence[Op]) -> int:
    """Each command over Kafka has a result, and all of one command say the same; returns how many came."""
    results: dict[str, list[dict[str, Any]]] = defaultdict(list)
    count = 0
    for message in read_whole_topic(stack.kafka.bootstrap, RESULTS):
        said = json.loads(message.value)
        said.get("problem", {}).pop("correlation_id", None)
        results[said["command_id"]].append(said)
        count += 1
    for command_id, found in results.items():
        assert all(one == found[0] for one in found), f"{command_id} has two results: {found}"
    for op in ops:
        found = results.get(str(op.command_id))
        if op.way == "kafka" and op.status != "unknown":
            assert found, f"no result of {op}"
            known = ("refused", op.code) if op.status == "failed" else (op.outcome, None)
            assert (found[0]["outcome"], found[0].get("code")) == known, f"{op}: {found}"
    assert not read_whole_topic(stack.kafka.bootstrap, DEAD_LETTERS), "a good command was put aside"
    return count


def check_views(stack: Stack, tenant: Tenant) -> None:
    """The service itself: log whole, views equal their fold, bytes what the events say."""
    with http(stack, tenant, 120) as client:
        found = client.post("/system/verify").json()
    assert found["problems"] == []
    assert found["views"] > 0
