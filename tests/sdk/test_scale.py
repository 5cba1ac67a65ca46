"""Features and targets that tell the scale of prices are found, those that do not pass."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from optaic.mlops.runner.scale import scale_findings

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5)]
KEYS = {"entity": ["A", "B", "C", "D"] * 4, "date": [day for day in DAYS for _ in range(4)]}
PRICES = pl.DataFrame(KEYS | {"close": [float(10 + n * n % 17) for n in range(16)]})
INDEX = pl.DataFrame({"entity": [""] * 4, "date": DAYS, "level": [100, 101, 99, 102]})
FRAMES = {"prices": PRICES, "index": INDEX}
MOVE = pl.col("close") / pl.col("close").shift(1).over("entity") - 1


def found(feature: Any, target: Any = MOVE, role: str = "prices") -> list[str]:
    """The findings where feature and target are such expressions over prices beside the index."""
    both = PRICES.join(INDEX.drop("entity"), on="date")
    assert both.height == PRICES.height

    def rows(frames: Any, expression: Any) -> pl.DataFrame:
        joined = frames["prices"].join(frames["index"].drop("entity"), on="date")
        return joined.select("entity", "date", x=expression)

    class Features:
        def compute(self, frames: Any) -> pl.DataFrame:
            return rows(frames, feature)

    class Target:
        def compute(self, frames: Any, _horizon: int) -> pl.DataFrame:
            return rows(frames, target)

    components: Any = SimpleNamespace(features=Features, target=Target)
    return scale_findings(components, FRAMES, role)


@pytest.mark.parametrize(
    "feature", [MOVE, MOVE.rank().over("date"), pl.col("level") / pl.col("level").first()]
)
def test_what_is_a_ratio_of_one_entitys_prices_has_no_scale(feature: Any) -> None:
    assert found(feature) == []


@pytest.mark.parametrize(
    "feature",
    [
        pl.col("close"),
        pl.col("close").rank().over("date"),
        pl.col("close") / pl.col("close").mean().over("date"),
        pl.when(pl.col("close") > 12).then(None).otherwise(1.0),
    ],
)
def test_a_level_is_found_with_its_column_and_first_row(feature: Any) -> None:
    (finding,) = found(feature)
    assert finding.startswith("pit.restated_history features x: ")
    assert "when prices is on another scale, first 2024-01-0" in finding


def test_a_target_has_to_be_free_too() -> None:
    (finding,) = found(MOVE, target=pl.col("close"))
    assert finding.startswith("pit.restated_history target x: ")


def test_each_input_is_scaled_for_itself_integers_too() -> None:
    assert found(pl.col("level"), role="prices") == []
    assert len(found(pl.col("level"), role="index")) == 1


def test_a_row_that_comes_or_goes_is_a_finding() -> None:
    class Few:
        def compute(self, frames: Any, _horizon: int = 0) -> pl.DataFrame:
            return frames["prices"].filter(pl.col("close") > 12)

    components: Any = SimpleNamespace(features=Few, target=Few)
    assert "16 of them" not in scale_findings(components, FRAMES, "prices")[0]
    assert " rows become " in scale_findings(components, FRAMES, "prices")[0]
