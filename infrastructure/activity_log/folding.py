"""Streams folded to states through the library's repository and its cache."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError, Repository
from eventsourcing.persistence import EventStore

from application.ports import Loaded
from domain.shared.activity import Event, StreamKey
from infrastructure.activity_log.errors import LogTopicUnknown
from infrastructure.activity_log.mapper import StreamEvent
from infrastructure.activity_log.recorders import LogApplicationRecorder

S = TypeVar("S")

FOLDS_MAX = 32
STREAMS_CACHED = 4_096


class Folded:
    """A state, the version it stands at, and what it was folded from; never changed."""

    __slots__ = ("initial", "state", "version")

    def __init__(self, initial: Any, state: Any, version: int) -> None:
        self.initial = initial
        self.state = state
        self.version = version


class StreamFolds:
    """One repository (and cache) a fold: the same stream may be folded to several kinds of state."""

    def __init__(self, store: EventStore[UUID], streams_cached: int = STREAMS_CACHED) -> None:
        self._store = store
        self._streams_cached = streams_cached
        self._repositories: OrderedDict[Callable[..., Any], Repository[UUID]] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, tenant: str, stream: StreamKey, initial: S, evolve: Callable[[S, Event], S]) -> Loaded[S]:
        """Fold a stream; a run of another tenant is no stream. Raises LogTopicUnknown."""
        stream_id = stream.id(tenant)
        folded = self._folded(self._repository(evolve), stream_id, initial, evolve)
        if folded is None or (stream.resource_type == "run" and self._owner(stream_id) != tenant):
            return Loaded(initial, 0)
        return Loaded(folded.state, folded.version)

    def _folded(
        self, repository: Repository[UUID], stream_id: UUID, initial: Any, evolve: Callable[..., Any]
    ) -> Folded | None:
        def project(cached: Any, events: Iterable[Any]) -> Any:
            return fold(cached or Folded(initial, initial, 0), events, evolve)

        try:
            folded: Any = repository.get(stream_id, projector_func=project)  # type: ignore[type-var]
        except AggregateNotFoundError:
            return None
        if folded.initial != initial:
            return fold(Folded(initial, initial, 0), self._store.get(stream_id), evolve)  # type: ignore[arg-type]
        if repository.cache is not None:
            repository.cache.put(stream_id, folded)
        return folded

    def _repository(self, evolve: Callable[..., Any]) -> Repository[UUID]:
        with self._lock:
            repository = self._repositories.pop(evolve, None) or Repository(
                self._store, cache_maxsize=self._streams_cached, deepcopy_from_cache=False
            )
            self._repositories[evolve] = repository
            if len(self._repositories) > FOLDS_MAX:
                self._repositories.popitem(last=False)
            return repository

    def _owner(self, stream_id: UUID) -> str:
        recorder = self._store.recorder
        assert isinstance(recorder, LogApplicationRecorder)
        return recorder.owner(stream_id)


def fold(start: Folded, events: Iterable[StreamEvent], evolve: Callable[[Any, Event], Any]) -> Folded | None:
    """Apply events after `start`; None if there are none at all. Raises LogTopicUnknown."""
    state, version = start.state, start.version
    for recorded in events:
        if recorded.event is None:
            raise LogTopicUnknown(
                f"{recorded.topic} at version {recorded.originator_version}", topic=recorded.topic
            )
        state = evolve(state, recorded.event)
        version = recorded.originator_version
    if version == start.version:
        return start if version else None
    return Folded(start.initial, state, version)
