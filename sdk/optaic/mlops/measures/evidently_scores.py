"""Drift scores by Evidently, and its report as a page.

Importing Evidently takes seconds and some 300 MiB: only a run's own process does it, and only here.
"""

import gzip
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from optaic.mlops.measures import drift
from optaic.mlops.measures.comparing import Pair

COLUMNS_MAX = 60
"""More columns make a page that no browser likes; the others are scored by our own arithmetic."""


class EvidentlyScores:
    """A scorer. Where Evidently is not there or gives up, our own arithmetic counts: `problem` says why."""

    def __init__(self) -> None:
        self.problem = ""
        self.by = ""
        """Who computed, with its version."""
        self._snapshot: Any = None

    def __call__(self, pairs: Mapping[str, Pair]) -> dict[str, float]:
        """A score for each column; `ks` is the statistic, which Evidently does not give."""
        own = {name: drift.score(one.method, one.reference, one.current) for name, one in pairs.items()}
        theirs = dict(list(pairs.items())[:COLUMNS_MAX])
        if not theirs:
            return own
        try:
            scores = self._scores(theirs)
        except ImportError as error:
            self.problem = f"Evidently is not installed here: {error}"[:300]
            return own
        except Exception as error:  # a report that cannot be made must not cost the measurement
            self.problem = f"{type(error).__name__}: {error}"[:300]
            return own
        return own | {name: value for name, value in scores.items() if pairs[name].method != "ks"}

    def _scores(self, pairs: Mapping[str, Pair]) -> dict[str, float]:
        os.environ["DO_NOT_TRACK"] = "1"
        evidently: Any = import_module("evidently")
        drifted = import_module("evidently.metrics").ValueDrift
        definition = evidently.DataDefinition(numerical_columns=list(pairs))
        sides = [evidently.Dataset.from_pandas(frame, data_definition=definition) for frame in _frames(pairs)]
        asked = [drifted(column=name, method=one.method) for name, one in pairs.items()]
        self._snapshot = evidently.Report(asked).run(sides[0], sides[1])
        values = [float(one["value"]) for one in self._snapshot.dict()["metrics"]]
        self.by = f"evidently {evidently.__version__}"
        return dict(zip(pairs, values, strict=True))

    def write_page(self, path: Path) -> bool:
        """Write the report as gzipped HTML; False where there is none."""
        if self._snapshot is None:
            return False
        try:
            page: str = self._snapshot.get_html_str(as_iframe=False)
        except Exception as error:  # nor does a page that cannot be drawn
            self.problem = f"{type(error).__name__}: {error}"[:300]
            return False
        path.write_bytes(gzip.compress(page.encode(), 6, mtime=0))
        return True


def _frames(pairs: Mapping[str, Pair]) -> list[Any]:
    """The current samples side by side and those of the reference, the shorter ones filled up with NaN."""
    pandas: Any = import_module("pandas")
    sides = ({name: one.current for name, one in pairs.items()}, {n: p.reference for n, p in pairs.items()})
    return [
        pandas.DataFrame({name: pandas.Series(sample, dtype="float64") for name, sample in side.items()})
        for side in sides
    ]
