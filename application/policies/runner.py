"""Follows the log and lets the policies act on each event, at least once; commands make it exactly once in
effect.
"""

import logging
import threading
from collections.abc import Mapping
from itertools import count
from typing import Protocol

from application.policies.context import Policy, PolicyContext
from domain.shared.activity import Event, RecordedEvent
from domain.shared.errors import Kind, RuleBroken

_PAGE = 500
_WAIT_S = 0.25
"""How long one wait for the log lasts; a stop takes at most as long, beside the policy in hand."""
_ATTEMPTS = 5
_FIRST_PAUSE_S = 0.1
"""Between the first two attempts; each pause is twice the one before, up to a limit."""
_PAUSE_S_MAX = 5.0
_log = logging.getLogger(__name__)


class Progress(Protocol):
    """How far the policies have come; outlives the process."""

    def load(self) -> int | None:
        """The last position acted on; None for a log that no policy has seen: then they start at its head."""
        ...

    def save(self, position: int) -> None:
        """Everything up to this position was acted on."""
        ...


class PoliciesFenced(RuleBroken):
    """Another process has the policies now; this one must not go on."""

    kind = Kind.UNAVAILABLE
    remedy = "Nothing is lost: the one that has them acts. Start this one again as a standby."


class PolicyRunner:
    """One thread that reads the log from where it stopped. A policy that keeps failing is logged as an error
    and passed over; the others and the events after it are not held up. What is only away for a time (the
    database, a view that is behind) is waited for.
    """

    def __init__(
        self, policies: Mapping[type[Event], tuple[Policy, ...]], context: PolicyContext, progress: Progress
    ) -> None:
        self._policies = policies
        self._context = context
        self._progress = progress
        self._position = 0
        self._saved = 0
        self.failure: BaseException | None = None
        """What ended the thread for good, if something did."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="policies", daemon=True)

    def start(self) -> None:
        """Begin to follow. A log that is new to the policies, or shorter than they have come (it was restored
        from an older backup), is followed from its present head: they never act on old events.
        """
        head, position = self._context.services.log.head(), self._progress.load()
        if position is None or position > head:
            position = head
            self._progress.save(position)
        self._position = self._saved = position
        self._thread.start()

    def stop(self) -> None:
        """Finish the policy in hand and end; what is left is acted on after the next start."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def act(self, recorded: RecordedEvent) -> bool:
        """Let each policy of this event's class act; False if stopped before the last had its turn."""
        policies = self._policies.get(type(recorded.event), ()) if recorded.event else ()
        return all(self._let_act(policy, recorded) for policy in policies)

    def _let_act(self, policy: Policy, recorded: RecordedEvent) -> bool:
        failures = 0
        for attempt in count(1):
            try:
                policy(recorded, self._context)
            except Exception as error:
                failures += not _is_passing(error)
                named = (policy.__name__, recorded.position, attempt)
                if failures == _ATTEMPTS:
                    _log.exception("policy %s gave up position %d after %d attempts", *named)
                    break
                _log.warning("policy %s at position %d, attempt %d: %s", *named, error)
                if self._stop.wait(min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _PAUSE_S_MAX)):
                    return False
            else:
                break
        return True

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self._act_on_page()
            except PoliciesFenced as fenced:
                self.failure = fenced
                _log.error("the policies stop at position %d: %s", self._position, fenced.detail)
                return
            except Exception:
                _log.exception("the policies stand at position %d and try again", self._position)
                self._stop.wait(_WAIT_S)
        try:
            self._save()
        except Exception:
            _log.exception("how far the policies have come, position %d, was not saved", self._position)

    def _act_on_page(self) -> None:
        """Act on what is new. Progress is saved when a page is full or the log rests, not at every event."""
        log = self._context.services.log
        page = log.read(self._position, _PAGE)
        for recorded in page:
            if self._stop.is_set() or not self.act(recorded):
                return
            self._position = recorded.position
        is_resting = not page and log.wait_beyond(self._position, _WAIT_S) <= self._position
        if is_resting or self._position >= self._saved + _PAGE:
            self._save()

    def _save(self) -> None:
        if self._position > self._saved:
            self._progress.save(self._position)
            self._saved = self._position


def _is_passing(error: Exception) -> bool:
    return isinstance(error, RuleBroken) and error.kind is Kind.UNAVAILABLE
