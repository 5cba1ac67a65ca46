"""Rebuild blue/green: a new generation is filled beside the serving one and takes its place in one
transaction; the former one goes when both are hashed and nobody reads it.
"""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import msgspec

from domain.shared.activity import RecordedEvent
from projections.engine import generations
from projections.engine.collection import uncollected
from projections.engine.errors import ViewStopped, ViewUnknown
from projections.engine.projector import Projector
from projections.engine.state_hash import StateHash, state_hash
from projections.engine.writer import ViewWriter

PAGE_SIZE = 5_000


class RebuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a rebuild or a verification of one view found. `former` is None where the live view had stopped
    short.
    """

    projection: str
    position: int
    events: int
    seconds: float
    rebuilt: StateHash
    former: StateHash | None

    @property
    def is_equal(self) -> bool:
        """Whether the view that had been living equals the one folded afresh."""
        return self.former is not None and self.former.sha256 == self.rebuilt.sha256


def rebuild(
    projector: Projector, names: Sequence[str] = (), page_size: int = PAGE_SIZE
) -> tuple[RebuildReport, ...]:
    """Fold the named views (default: all) afresh and let them serve; raises ViewUnknown, ViewStopped."""
    formers: list[generations.Generation] = []

    def swap(name: str, aside: ViewWriter) -> None:
        former = projector.writers[name]
        with projector.store.arrange() as connection:
            generations.swap(connection, former.generation, aside.generation, projector.owner)
        projector.writers[name] = aside
        former.close()
        formers.append(former.generation)

    try:
        return _beside(projector, names, page_size, swap)
    finally:
        if formers:
            projector.store.wait_until_unread()
        for former in formers:
            with projector.store.arrange() as connection:
                generations.drop(connection, former)


def verify(
    projector: Projector, names: Sequence[str] = (), page_size: int = PAGE_SIZE
) -> tuple[RebuildReport, ...]:
    """Fold the named views (default: all) afresh, compare with the live ones and throw the copies away."""
    return _beside(projector, names, page_size, _throw_away)


def _throw_away(name: str, aside: ViewWriter) -> None:
    """Leave the serving generation as it is; the copy is dropped because it does not serve."""
    del name, aside


def _beside(
    projector: Projector, names: Sequence[str], page_size: int, finish: Callable[[str, ViewWriter], None]
) -> tuple[RebuildReport, ...]:
    began = time.perf_counter()
    with _filled(projector, names, page_size) as asides, projector.store.read() as snapshot:
        # The first statement fixes the snapshot, before anything is swapped and the log goes on.
        with projector.turn:
            _follow(projector, asides, page_size, until=_live_position(projector, asides))
            generations.all_progress(snapshot)
            formers = {name: projector.writers[name] for name in asides}
            stands = {name: (former.position, former.generation) for name, former in formers.items()}
            positions = {name: aside.position for name, aside in asides.items()}
            for name, aside in asides.items():
                finish(name, aside)
        seconds = time.perf_counter() - began
        reports: list[RebuildReport] = []
        for name, aside in asides.items():
            position, generation = stands[name]
            is_comparable = position == positions[name]
            reports.append(
                RebuildReport(
                    projection=name,
                    position=positions[name],
                    events=positions[name],
                    seconds=seconds,
                    rebuilt=state_hash(snapshot, aside.generation, positions[name]),
                    former=state_hash(snapshot, generation, position) if is_comparable else None,
                )
            )
        return tuple(reports)


@contextmanager
def _filled(projector: Projector, names: Sequence[str], page_size: int) -> Generator[dict[str, ViewWriter]]:
    """New generations up to about the live position; those that do not serve in the end are dropped."""
    unknown = sorted(set(names) - set(projector.projections))
    if unknown:
        raise ViewUnknown(f"{unknown[0]!r} is not a view", names=sorted(projector.projections))
    asides = {name: _aside(projector, name) for name in (names or tuple(projector.projections))}
    try:
        _follow(projector, asides, page_size, until=_live_position(projector, asides))
        yield asides
    finally:
        for name, aside in asides.items():
            if projector.writers[name] is not aside:
                aside.close()
                with projector.store.arrange() as connection:
                    generations.drop(connection, aside.generation)


def _aside(projector: Projector, name: str) -> ViewWriter:
    with projector.store.arrange() as connection:
        numbers = [
            each.generation for each in generations.all_progress(connection) if each.projection == name
        ]
        made = generations.generation(projector.projections[name], max(numbers, default=0) + 1)
        generations.create(connection, made, projector.owner, serving=False)
    return ViewWriter(projector.store, made, projector.owner, 0, projector.hit)


def _live_position(projector: Projector, asides: dict[str, ViewWriter]) -> int:
    """Where the living views stand; where one had stopped short, the head of the log."""
    lives = [projector.writers[name] for name in asides]
    if any(live.is_stopped for live in lives):
        return projector.log.head()
    return max(live.position for live in lives)


def _follow(projector: Projector, asides: dict[str, ViewWriter], page_size: int, until: int) -> None:
    done = min((aside.position for aside in asides.values()), default=until)
    while done < until:
        with uncollected():
            page: Sequence[RecordedEvent] = projector.log.read(done, min(page_size, until - done))
            for aside in asides.values():
                aside.apply(page)
        stopped = next((aside for aside in asides.values() if aside.is_stopped), None)
        if stopped is not None:
            name = stopped.generation.projection.name
            raise ViewStopped(f"{name} cannot be rebuilt: {stopped.error}", projection=name)
        done = page[-1].position
