"""Profiles of frames by WhyLogs, for whoever has tools that read them. `pip install optaic-mlops[whylogs]`.

    whylogs_profiles.write(predictions, Path("predictions.bin"))
    tracking.log_artifacts("predictions.bin")

Nothing here depends on them: drift and quality are measured by the service's own monitoring. A profile holds
sketches, no rows; it also holds the time at which it was made, so that two of one frame are not equal files.
"""

import os
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

INSTALL = "pip install 'optaic-mlops[whylogs]'"
_NO_ANALYTICS = "WHYLOGS_NO_ANALYTICS"
FIGURES = ("counts/n", "counts/null", "counts/nan", "counts/inf", "distribution/mean", "distribution/stddev")
"""What `figures` tells of a column, besides the least and the greatest value."""


class WhyLogsMissing(ImportError):
    """WhyLogs is not installed; the message says how."""


def write(frame: "pl.DataFrame", path: Path) -> Path:
    """Profile the columns of a frame (numbers, texts, truth values) into a file; returns it.

    Raises WhyLogsMissing.
    """
    with _whylogs() as why:
        path.write_bytes(why.log(pandas=frame.to_pandas()).view().serialize())
    return path


def merged(paths: Sequence[Path], into: Path) -> Path:
    """One profile of all rows that several files profile; returns it. Raises WhyLogsMissing, ValueError."""
    if not paths:
        raise ValueError("no profile to merge")
    with _whylogs():
        first, *others = (_view(path) for path in paths)
        for other in others:
            first = first.merge(other)
        into.write_bytes(first.serialize())
    return into


def figures(path: Path) -> dict[str, dict[str, float]]:
    """Column → figure → value, such as `counts/n`; only what is a number. Raises WhyLogsMissing."""
    wanted = (*FIGURES, "distribution/min", "distribution/max")
    with _whylogs():
        columns: dict[str, Any] = _view(path).get_columns()
        told = {name: column.to_summary_dict() for name, column in columns.items()}
    return {
        name: {key: float(summary[key]) for key in wanted if isinstance(summary.get(key), int | float)}
        for name, summary in sorted(told.items())
    }


def _view(path: Path) -> Any:
    from whylogs.core.view.dataset_profile_view import DatasetProfileView  # pyright: ignore[reportMissingTypeStubs]

    return DatasetProfileView.deserialize(path.read_bytes())


@contextmanager
def _whylogs() -> Generator[Any]:
    """WhyLogs, which sends no usage figures: its last release is older than numpy 2, and warns of much."""
    import numpy as np

    os.environ.setdefault(_NO_ANALYTICS, "1")
    if not hasattr(np, "unicode_"):
        np.unicode_ = np.str_  # noqa: NPY201 - for whylogs  # pyright: ignore[reportAttributeAccessIssue]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            import whylogs  # pyright: ignore[reportMissingTypeStubs]
        except ImportError as missing:
            raise WhyLogsMissing(f"profiles need WhyLogs: {INSTALL}") from missing
        yield whylogs
