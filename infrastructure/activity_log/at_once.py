"""What must be so in the database for a batch to be taken as it is, in one statement: pure.

The conditions of commands on streams that earlier commands of the batch wrote are judged here.
"""

from collections.abc import Sequence
from typing import NamedTuple

from infrastructure.activity_log.decision import CommandKey, Decision, Head, StreamHead
from infrastructure.activity_log.submission import Expectation, Submission, accepted


class Conditions(NamedTuple):
    """What one statement asks before it appends."""

    present: list[tuple[str, int, str]]
    """Events that must be there: stream id, version, tenant."""
    missing: list[tuple[str, int]]
    """Events that must not be there; those that are written are not named, a unique key refuses them."""
    commands: list[CommandKey]
    """Commands that must have no outcome without events."""


def conditions_of(batch: Sequence[Submission], absent: int) -> Conditions | None:
    """None: commands that leave no event, repeat or contradict each other have to be judged one by one."""
    conditions = Conditions([], [], [])
    stands: dict[str, StreamHead] = {}
    for submission in batch:
        conditions.commands.append(submission.key)
        if not submission.events or not all(
            _agrees(wanted, submission.tenant, stands, conditions, absent)
            for wanted in (*submission.checks, *submission.writes)
        ):
            return None
    return conditions if len(set(conditions.commands)) == len(batch) else None


def _agrees(
    wanted: Expectation, tenant: str, stands: dict[str, StreamHead], conditions: Conditions, absent: int
) -> bool:
    stood = stands.get(wanted.stream_id)
    stands[wanted.stream_id] = StreamHead(wanted.expected + wanted.count, tenant)
    if stood is not None:
        return stood == (wanted.expected, tenant)
    if wanted.expected > absent:
        conditions.present.append((wanted.stream_id, wanted.expected, tenant))
    if not wanted.count:
        conditions.missing.append((wanted.stream_id, wanted.expected + 1))
    return wanted.expected >= absent


def decision_at(head: Head, batch: Sequence[Submission]) -> Decision:
    """The answers after an append that ended at `head`."""
    decision = Decision(head)
    position = head.position - sum(len(submission.events) for submission in batch)
    for submission in batch:
        position += len(submission.events)
        events = [(event.stream_id, event.stream_version, event.ref) for event in submission.events]
        decision.answers.append(accepted(position, submission.body_hash, events))
    return decision
