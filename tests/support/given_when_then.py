"""Given these events, when this is decided, then those events follow, or this rule refuses it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

import pytest

from domain.shared.activity import Event
from domain.shared.errors import RuleBroken

S = TypeVar("S")


@dataclass(frozen=True)
class Given(Generic[S]):
    """A decider's start: `given = Given(decider.INITIAL, decider.evolve)`, then `given(*events)`."""

    initial: S
    evolve: Callable[[S, Event], S]

    def __call__(self, *events: Event) -> "History[S]":
        return History(reduce(self.evolve, events, self.initial))


@dataclass(frozen=True)
class History(Generic[S]):
    """What had happened, folded."""

    state: S

    def when(self, decide: Callable[[S], tuple[Event, ...]]) -> "Decision":
        """Decide on that state; nothing is run before the expectation is known."""
        return Decision(lambda: decide(self.state))


@dataclass(frozen=True)
class Decision:
    """A decision whose outcome is now demanded."""

    decide: Callable[[], tuple[Event, ...]]

    def then(self, *events: Event) -> None:
        """Exactly these events follow, in this order; none at all: nothing to do."""
        assert self.decide() == events

    def refused(self, rule: type[RuleBroken], detail: str = "") -> RuleBroken:
        """This very rule refuses it (no subclass of it), and the detail holds these words."""
        with pytest.raises(rule) as caught:
            self.decide()
        assert type(caught.value) is rule
        assert detail in caught.value.detail
        return caught.value
