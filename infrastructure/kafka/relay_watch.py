"""Watches over a turn while its holder works: keeps its session talking, and notices when it is lost."""

import threading
from types import TracebackType
from typing import Self

from infrastructure.kafka.relay import RelayFenced
from infrastructure.postgres.turns import Turn


class TurnWatch:
    """A thread that speaks on the session of a turn; a frozen process does not, and so loses the turn."""

    def __init__(self, turn: Turn, every_s: float) -> None:
        self._turn = turn
        self._every_s = every_s
        self._lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="relay-turn", daemon=True)

    def look(self) -> None:
        """Raises RelayFenced if the turn was found lost."""
        if self._lost:
            raise RelayFenced("the database session that holds the turn is gone")

    def ask(self) -> None:
        """As `look`, after asking the database now."""
        self._lost = self._lost or not self._turn.is_held()
        self.look()

    def _watch(self) -> None:
        while not self._lost and not self._ended.wait(self._every_s):
            self._lost = not self._turn.is_held()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
