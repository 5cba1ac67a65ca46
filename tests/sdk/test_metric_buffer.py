"""Points go in batches: all of them, in order, never more than one batch is held."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optaic.mlops.metric_buffer import BATCH_BYTES_MAX, MetricBuffer, Point

NAMES = st.sampled_from(["loss", "a" * 100, "validation/rank_ic"])
ADDED = st.lists(
    st.lists(st.tuples(NAMES, st.integers(0, 10**9), st.floats(-1e9, 1e9)), max_size=1500), max_size=6
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(ADDED)
def test_every_point_arrives_once_in_order_in_batches_that_an_event_takes(added: list[list[Point]]) -> None:
    sent: list[list[Point]] = []
    buffer = MetricBuffer(lambda points: sent.append(list(points)), Clock())
    for points in added:
        buffer.add(points)
    buffer.flush()
    assert [point for batch in sent for point in batch] == [point for points in added for point in points]
    assert all(1 <= len(batch) <= 1000 for batch in sent)
    assert all(sum(len(name) + 64 for name, _, _ in batch) <= BATCH_BYTES_MAX for batch in sent)


def test_a_batch_goes_when_it_is_old_and_another_point_comes() -> None:
    sent: list[int] = []
    clock = Clock()
    buffer = MetricBuffer(lambda points: sent.append(len(points)), clock)
    buffer.add([("loss", 0, 1.0)])
    clock.now = 1.9
    buffer.add([("loss", 1, 1.0)])
    assert sent == []
    clock.now = 2.0
    buffer.add([("loss", 2, 1.0)])
    assert sent == [3]


def test_what_could_not_be_sent_goes_first_the_next_time() -> None:
    sent: list[Point] = []
    away = [True]

    def send(points: Sequence[Point]) -> None:
        if away[0]:
            raise ConnectionError
        sent.extend(points)

    buffer = MetricBuffer(send, Clock())
    for step in range(600):
        buffer.add([("loss", step, 1.0)])
    with pytest.raises(ConnectionError):
        buffer.flush()
    away[0] = False
    buffer.add([("loss", 600, 1.0)])
    buffer.flush()
    assert [step for _, step, _ in sent] == list(range(601))


def test_dropped_points_are_gone() -> None:
    sent: list[int] = []
    buffer = MetricBuffer(lambda points: sent.append(len(points)), Clock())
    buffer.add([("loss", 0, 1.0)])
    buffer.drop()
    buffer.flush()
    assert sent == []
