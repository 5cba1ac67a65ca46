"""What becomes of a batch of commands: pure, the same on every database.

Commands are judged in order, each seeing the effects of earlier ones; a refused one takes nothing with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import msgspec

from application.ports import Outcome
from domain.shared.errors import CommandIdReused, RuleBroken, StreamConflict
from infrastructure.activity_log.record import Row
from infrastructure.activity_log.submission import Expectation, Submission, accepted

CommandKey: TypeAlias = tuple[str, str]
"""Tenant and command id."""


class Head(NamedTuple):
    """Where the log stands: the last position and the last recorded time (µs since 1970)."""

    position: int
    recorded_at_us: int


class StreamHead(NamedTuple):
    """Where a stream stands, and whose it is."""

    version: int
    tenant: str


@dataclass(slots=True)
class Decision:
    """What to write, and what to tell each caller, in the order of the batch."""

    head: Head
    rows: list[Row] = field(default_factory=list)
    outcomes: list[Row] = field(default_factory=list)
    answers: list[Outcome | RuleBroken] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Nothing to write: every command was a repetition or a conflict."""
        return not self.rows and not self.outcomes


def decide_batch(
    batch: Sequence[Submission],
    known: Mapping[CommandKey, Outcome],
    streams: Mapping[str, StreamHead],
    head: Head,
    now_us: Callable[[], int],
    absent: int = 0,
) -> Decision:
    """Judge commands against the outcomes and stream heads read under the lock.

    `absent` is the version of a stream without events: the first version less one.
    """
    decision = Decision(head)
    seen = dict(known)
    stands = dict(streams)
    for submission in batch:
        answer = _repeated(submission, seen) or _conflict(submission, stands, absent)
        if answer is None:
            answer = _take(submission, decision, max(now_us(), decision.head.recorded_at_us))
            seen[submission.key] = answer
            for write in submission.writes:
                if write.count:
                    stands[write.stream_id] = StreamHead(write.expected + write.count, submission.tenant)
        decision.answers.append(answer)
    return decision


def _repeated(submission: Submission, seen: Mapping[CommandKey, Outcome]) -> Outcome | CommandIdReused | None:
    first = seen.get(submission.key)
    return None if first is None else repeated(first, submission.command_id, submission.body_hash)


def repeated(first: Outcome, command_id: str, body_hash: bytes) -> Outcome | CommandIdReused:
    """The answer to a command id that was seen before."""
    if first.body_hash != body_hash:
        return CommandIdReused(
            f"command {command_id} was sent before with another body", command_id=command_id
        )
    return msgspec.structs.replace(first, repeated=True)


def _conflict(submission: Submission, stands: Mapping[str, StreamHead], absent: int) -> StreamConflict | None:
    for check in submission.checks:
        if (found := _differs(check, stands.get(check.stream_id), submission.tenant, absent)) is not None:
            return found
    written: dict[str, int] = {}
    for write in submission.writes:
        stands_at = stands.get(write.stream_id)
        if write.stream_id in written:
            stands_at = StreamHead(written[write.stream_id], submission.tenant)
        if (found := _differs(write, stands_at, submission.tenant, absent)) is not None:
            return found
        written[write.stream_id] = write.expected + write.count
    return None


def _differs(
    wanted: Expectation, stands: StreamHead | None, tenant: str, absent: int
) -> StreamConflict | None:
    if stands is not None and stands.tenant != tenant:
        return StreamConflict(
            f"{wanted.label} cannot be written", stream=wanted.label, expected=wanted.expected
        )
    current = absent if stands is None else stands.version
    if current == wanted.expected:
        return None
    return StreamConflict(
        f"{wanted.label} stands at version {current}, not {wanted.expected}",
        stream=wanted.label,
        expected=wanted.expected,
        current=current,
    )


def _take(submission: Submission, decision: Decision, recorded_at_us: int) -> Outcome:
    if not submission.events:
        return _take_outcome(submission, decision, recorded_at_us)
    position = decision.head.position
    for event in submission.events:
        position += 1
        decision.rows.append((position, *event.columns, recorded_at_us, event.payload))
    decision.head = Head(position, recorded_at_us)
    events = [(event.stream_id, event.stream_version, event.ref) for event in submission.events]
    return accepted(position, submission.body_hash, events)


def _take_outcome(submission: Submission, decision: Decision, recorded_at_us: int) -> Outcome:
    kind = "refused" if submission.refusal else "unchanged"
    code, detail, facts = submission.refusal or (None, None, b"{}")
    position = decision.head.position
    decision.outcomes.append(
        (*submission.key, submission.body_hash, kind, code, detail, facts, position, recorded_at_us)
    )
    return Outcome(
        kind=kind,
        position=position,
        code=code,
        detail=detail,
        facts=msgspec.json.decode(facts),
        body_hash=submission.body_hash,
    )
