"""A long series in few points: of each bucket of consecutive points the least and the greatest stay.

Peaks and falls stay where they were, to the very value, unlike in averages; the first and the last point of a
series always stay. (Min-max decimation, as oscilloscopes do it.)
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from projections.runs.tables import MetricPointRow

POINTS_MIN = 4
"""First, last, and a bucket of two."""


def thinned(
    rows: Iterable[MetricPointRow], lengths: Mapping[str, int], points_max: int
) -> Iterator[MetricPointRow]:
    """Rows in the order of their series, at most `points_max` of each; one bucket is held at a time."""
    for name, series in groupby(rows, key=lambda row: row.name):
        yield from _thinned(series, lengths[name], points_max)


def _thinned(series: Iterator[MetricPointRow], length: int, points_max: int) -> Iterator[MetricPointRow]:
    if length <= points_max:
        yield from series
        return
    inner, buckets = length - 2, (max(points_max, POINTS_MIN) - 2) // 2
    yield next(series)
    taken = 0
    for number in range(1, buckets + 1):
        ends = inner * number // buckets
        bucket = [next(series) for _ in range(ends - taken)]
        taken = ends
        extremes = {bucket.index(pick(bucket, key=_value)) for pick in (min, max)}
        yield from (bucket[place] for place in sorted(extremes))
    yield next(series)


def _value(row: MetricPointRow) -> float:
    return row.value
