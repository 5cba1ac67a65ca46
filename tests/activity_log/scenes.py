"""What the tests of the log are made of: a clock that ticks, envelopes and small events."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID, uuid5

from application.ports import StreamWrite
from domain.ml_module_def.events import DefinitionPublished
from domain.shared.activity import Actor, Envelope, Event, StreamKey

START = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
_SPACE = UUID("7f3c1b5e-0000-4000-8000-000000000000")
_fresh = count()


class TickingClock:
    """Each look is a second later; `set` turns it, backwards too."""

    def __init__(self, start: datetime = START, step: timedelta = timedelta(seconds=1)) -> None:
        self._next = start
        self._step = step

    def now(self) -> datetime:
        moment = self._next
        self._next += self._step
        return moment

    def set(self, moment: datetime) -> None:
        self._next = moment


def uid(name: object) -> UUID:
    """The same id for the same name."""
    return uuid5(_SPACE, str(name))


def envelope(
    command: object | None = None, *, body: bytes = b"\x01" * 32, tenant: str = "acme", **more
) -> Envelope:
    """An envelope; without a name of its own each is a new command."""
    command_id = uid(f"fresh {next(_fresh)}" if command is None else command)
    defaults = {"actor": Actor(principal="p_ada"), "correlation_id": uid("workflow")}
    return Envelope(tenant=tenant, command_id=command_id, body_hash=body, **{**defaults, **more})


def definition(name: str = "xgb-signal") -> StreamKey:
    return StreamKey("ml_module_def", name)


def published(name: str = "xgb-signal", version: str = "1.0.0") -> DefinitionPublished:
    return DefinitionPublished(name=name, version=version)


def write(name: str = "xgb-signal", expected: int = 0, events: int = 1) -> StreamWrite:
    """A write of small events to the stream of a definition."""
    return StreamWrite(definition(name), expected, tuple(published(name, f"1.{i}.0") for i in range(events)))


def append_many(log, names: int, each: int = 1) -> None:
    """Fill a log: `names` streams of `each` events."""
    for index in range(names):
        log.append(envelope(), [write(f"stream-{index}", 0, each)])


def versions(state: tuple[str, ...], event: Event) -> tuple[str, ...]:
    """A fold: the published versions."""
    return (*state, event.version) if isinstance(event, DefinitionPublished) else state


def how_many(state: int, event: Event) -> int:
    """Another fold of the same streams."""
    return state + 1
