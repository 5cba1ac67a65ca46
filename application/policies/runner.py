"""Follows the log and lets the policies act on each event, at least once; commands make it exactly once in
effect.
"""

import logging
import threading
from collections.abc import Mapping
from typing import Protocol

from application.policies.context import Policy, PolicyContext
from domain.shared.activity import Event, RecordedEvent
from domain.shared.errors import RuleBroken

_PAGE = 500
_WAIT_S = 1.0
_ATTEMPTS = 5
_log = logging.getLogger(__name__)


class Progress(Protocol):
    """How far the policies have come; outlives the process."""

    def load(self) -> int | None:
        """The last position acted on; None for a log that no policy has seen: then they start at its head."""
        ...

    def save(self, position: int) -> None:
        """Everything up to this position was acted on."""
        ...


class PolicyRunner:
    """One thread that reads the log from where it stopped. A policy that keeps failing is logged and passed
    over.
    """

    def __init__(
        self, policies: Mapping[type[Event], tuple[Policy, ...]], context: PolicyContext, progress: Progress
    ) -> None:
        self._policies = policies
        self._context = context
        self._progress = progress
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="policies", daemon=True)

    def start(self) -> None:
        """Begin to follow; a log that is new to the policies is followed from its present head."""
        position = self._progress.load()
        if position is None:
            self._progress.save(self._context.services.log.head())
        self._thread.start()

    def stop(self) -> None:
        """Finish the event in hand and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        position = self._progress.load() or 0
        while not self._stop.is_set():
            page = self._context.services.log.read(position, _PAGE)
            for recorded in page:
                if self._stop.is_set():
                    return
                self.act(recorded)
                position = recorded.position
            if page:
                self._progress.save(position)
            else:
                self._context.services.log.wait_beyond(position, _WAIT_S)

    def act(self, recorded: RecordedEvent) -> None:
        """Let each policy of this event's class act."""
        for policy in self._policies.get(type(recorded.event), ()) if recorded.event else ():
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    policy(recorded, self._context)
                    break
                except (RuleBroken, OSError) as error:
                    _log.warning(
                        "policy %s at position %d, attempt %d: %s",
                        policy.__name__,
                        recorded.position,
                        attempt,
                        error,
                    )
                    self._stop.wait(0.05 * 2**attempt)
