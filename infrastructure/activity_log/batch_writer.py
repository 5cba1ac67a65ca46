"""One batch of commands in one transaction: look up under the lock, decide, write, commit."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from application.ports import Outcome
from domain.shared.errors import RuleBroken
from infrastructure.activity_log.decision import Decision, Head, decide_batch
from infrastructure.activity_log.dialect import WriteSession
from infrastructure.activity_log.errors import LogNotEmpty, LogWriteFailed
from infrastructure.activity_log.record import Row
from infrastructure.activity_log.submission import Submission
from infrastructure.failpoints import hit

Answer: TypeAlias = Outcome | RuleBroken

IMPORT_PAGE = 1_000

_logger = logging.getLogger(__name__)


class BatchWriter:
    """Owns the write session; used by one thread at a time."""

    def __init__(
        self,
        session: WriteSession,
        driver_errors: tuple[type[Exception], ...],
        now_us: Callable[[], int],
        committed: Callable[[int], None],
        absent: int = 0,
    ) -> None:
        """`committed` is told the new head after each commit that moved it."""
        self._session = session
        self._driver_errors = driver_errors
        self._now_us = now_us
        self._committed = committed
        self._absent = absent
        self._head = session.head()

    def write(self, batch: Sequence[Submission]) -> Sequence[Answer]:
        """One answer a command, in order; the events of all accepted ones are durable when it returns."""
        try:
            return self._write(batch)
        except Exception as error:
            self._recover()
            if len(batch) > 1 and not self._session.is_outage(error):
                return [answer for submission in batch for answer in self.write((submission,))]
            if not isinstance(error, RuleBroken):
                _logger.exception("the log could not be written")
            return [_failure(error) for _ in batch]
        except BaseException:
            self._recover()
            raise

    def _write(self, batch: Sequence[Submission]) -> Sequence[Answer]:
        hit("log.before_begin")
        decision = self._session.write_at_once(batch, self._now_us, self._absent)
        if decision is None:
            decision = self._write_checked(batch)
        hit("log.after_commit")
        self._advance(decision)
        hit("log.before_answer")
        return decision.answers

    def _write_checked(self, batch: Sequence[Submission]) -> Decision:
        head = self._session.begin(self._head)
        decision = self._decide(batch, head)
        if decision.is_empty:
            self._session.rollback()
            return decision
        self._session.write(head, decision)
        hit("log.after_insert")
        hit("log.before_commit")
        self._session.commit()
        return decision

    def _decide(self, batch: Sequence[Submission], head: Head) -> Decision:
        known = self._session.known([submission.key for submission in batch])
        asked = {
            wanted.stream_id for submission in batch for wanted in (*submission.checks, *submission.writes)
        }
        streams = self._session.streams(list(asked)) if asked else {}
        return decide_batch(batch, known, streams, head, self._now_us, self._absent)

    def _advance(self, decision: Decision) -> None:
        moved = decision.head.position != self._head.position
        self._head = decision.head
        if moved:
            self._committed(decision.head.position)

    def _recover(self) -> None:
        """After a failure: nothing of the batch stands, unless the commit itself went through unseen."""
        try:
            self._session.rollback()
            head = self._session.head()
        except self._driver_errors:
            _logger.exception("the log cannot be read after a failed write")
            return
        if head.position != self._head.position:
            self._head = head
            self._committed(head.position)

    def import_rows(self, rows: Iterable[Row]) -> int:
        """Write the rows of a whole log in one transaction; returns how many. Raises LogNotEmpty."""
        former = self._session.begin(self._head, patient=True)
        try:
            if former.position:
                raise LogNotEmpty(f"the log has {former.position} events", head=former.position)
            head = self._insert_pages(iter(rows), former)
            self._session.commit()
        except BaseException:
            self._session.rollback()
            raise
        self._advance(Decision(head))
        return head.position

    def forget_outcomes(self, before_us: int) -> int:
        """Drop outcomes without events recorded before a time; returns how many."""
        self._session.begin(self._head)
        try:
            count = self._session.forget_outcomes(before_us)
            self._session.commit()
        except BaseException:
            self._session.rollback()
            raise
        return count

    def _insert_pages(self, rows: Iterator[Row], head: Head) -> Head:
        while page := list(islice(rows, IMPORT_PAGE)):
            position, recorded_at_us = page[-1][0], page[-1][-2]
            former, head = head, Head(position, recorded_at_us)
            self._session.write(former, Decision(head, rows=page))
        return head

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()


def _failure(error: Exception) -> RuleBroken:
    if isinstance(error, RuleBroken):
        return error
    failure = LogWriteFailed(f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
