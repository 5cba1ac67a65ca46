"""A long series in few points keeps its ends and its extremes."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from projections.runs.tables import MetricPointRow
from projections.runs.thinning import thinned

SERIES = st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=120), min_size=1, max_size=3)


@given(SERIES, st.integers(4, 50))
def test_few_points_keep_ends_extremes_and_order(values: list[list[float]], points_max: int) -> None:
    rows = [
        MetricPointRow("desk", "run", f"m{name}", step, step, 0, value, 0)
        for name, series in enumerate(values)
        for step, value in enumerate(series)
    ]
    lengths = {f"m{name}": len(series) for name, series in enumerate(values)}
    found = list(thinned(rows, lengths, points_max))
    assert [row for row in rows if row in found] == found
    for name, group in groupby(found, key=lambda row: row.name):
        kept, whole = list(group), [row for row in rows if row.name == name]
        assert len(kept) <= points_max
        assert (kept[0], kept[-1]) == (whole[0], whole[-1])
        assert {min(one.value for one in kept), max(one.value for one in kept)} == {
            min(one.value for one in whole),
            max(one.value for one in whole),
        }
        if len(whole) <= points_max:
            assert kept == whole
