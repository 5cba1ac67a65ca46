"""The measurements of a monitoring run, for a notebook: the same arithmetic, thresholds and names."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

    from optaic.mlops.base import DriftMethod
    from optaic.mlops.measures.comparing import ColumnDrift
    from optaic.mlops.measures.profiles import Reference

Comparison = Literal["gt", "ge", "lt", "le"]
_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


@dataclass(frozen=True)
class DriftReport:
    """The drift of each column, and the metrics that a monitoring run would record of it."""

    columns: "tuple[ColumnDrift, ...]"
    metrics: Mapping[str, float]

    @property
    def drifted(self) -> tuple[str, ...]:
        """The columns above their threshold."""
        return tuple(one.column for one in self.columns if one.drifted)

    @property
    def not_measured(self) -> dict[str, str]:
        """Column → why it has no score."""
        return {one.column: one.reason for one in self.columns if one.reason}


class DataDriftMonitor:
    """Compares rows with a reference: `DataDriftMonitor(training_rows).run(todays_rows)`.

    `reference`: a frame of the columns, or the `Reference` of a model version (`reference_of`). `columns`:
    which to compare, all but entity, date and knowledge_date by default. Raises ValueError for an unknown
    method or column.
    """

    def __init__(
        self,
        reference: "pl.DataFrame | Reference",
        *,
        columns: Sequence[str] | None = None,
        method: "DriftMethod" = "psi",
        threshold: float = 0.2,
        rows_min: int = 100,
    ) -> None:
        from optaic.mlops.measures.comparing import Pinned
        from optaic.mlops.measures.drift import METHODS
        from optaic.mlops.measures.profiles import Reference, profile

        if method not in METHODS:
            raise ValueError(f"{method!r} is none of {', '.join(METHODS)}")
        if isinstance(reference, Reference):
            known = reference.features
            self.profiles = {name: known[name] for name in _chosen(list(known), columns)}
        else:
            self.profiles = profile(reference, _chosen(reference.columns, columns))
        self.pinned = dict.fromkeys(self.profiles, Pinned(method, threshold))
        self.rows_min = rows_min

    def run(self, current: "pl.DataFrame") -> DriftReport:
        """Compare current rows; a column that is gone or has too few values is named, with the reason."""
        from optaic.mlops.measures.comparing import compare
        from optaic.mlops.measures.findings import Findings

        found = compare(self.profiles, current, self.pinned, rows_min=self.rows_min)
        return DriftReport(tuple(found), Findings(features=found).metrics())


@dataclass(frozen=True)
class PerformanceReport:
    """Realised performance beside its baseline: `performance.rank_ic`, `.baseline`, `.degradation`."""

    metrics: Mapping[str, float]
    degraded: bool | None
    """Whether the key figure lost its share or more; None where it cannot be compared."""


class PerformanceMonitor:
    """Judges predictions whose outcome is known, by the category of their model.

    `baseline`: the figures at training, or the `Reference` that holds them. `columns`: the output's.
    """

    def __init__(
        self,
        category: str = "signal",
        *,
        baseline: "Mapping[str, float] | Reference | None" = None,
        key_metric: str = "rank_ic",
        degraded_from: float = 0.2,
        columns: Sequence[str] = ("signal",),
        lower_is_better: Sequence[str] = (),
    ) -> None:
        from optaic.mlops.measures.profiles import Reference

        if isinstance(baseline, Reference):
            baseline = baseline.baseline.metrics if baseline.baseline else {}
        self.category = category
        self.baseline = dict(baseline or {})
        self.key_metric = key_metric
        self.degraded_from = degraded_from
        self.columns = list(columns)
        self.lower_is_better = tuple(lower_is_better)

    def run(self, rows: "pl.DataFrame") -> PerformanceReport:
        """`rows`: date, entity, the output's columns and outcome."""
        from optaic.mlops.measures.monitored import is_degraded, performance_metrics, realised

        figures = realised(self.category, rows, self.columns, {})
        metrics = performance_metrics(figures, self.baseline, self.lower_is_better)
        return PerformanceReport(metrics, is_degraded(self.key_metric, metrics, self.degraded_from))


@dataclass(frozen=True)
class Check:
    """What one metric has to be, such as `Check("drift.share", "le", 0.3)`."""

    metric: str
    comparison: Comparison
    threshold: float


@dataclass(frozen=True)
class CheckResult:
    """One check and what was found; a metric that was not measured does not pass."""

    check: Check
    value: float | None
    passed: bool


@dataclass(frozen=True)
class SuiteResult:
    """The results in the order of the checks."""

    results: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(one.passed for one in self.results)

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """Those that did not pass."""
        return tuple(one for one in self.results if not one.passed)


class TestSuite:
    """Checks on the metrics of a monitoring run or of the monitors here."""

    __test__ = False  # not one of pytest's

    def __init__(self, *checks: Check) -> None:
        unknown = [one.comparison for one in checks if one.comparison not in _HOLDS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(_HOLDS)}")
        self.checks = checks

    def run(self, metrics: Mapping[str, float]) -> SuiteResult:
        """Judge metrics by name."""
        return SuiteResult(tuple(_judged(one, metrics.get(one.metric)) for one in self.checks))


def reference_of(ref: str, stage: str | None = None) -> "Reference | None":
    """The training reference that is stored with a model version, such as `spx-alpha@3`; None where its file
    has none. Raises ArtifactHashMismatch, VersionNotFound, Refused.
    """
    import tempfile
    from pathlib import Path

    from optaic.mlops import registry
    from optaic.mlops.packaging import unpack_zip
    from optaic.mlops.pipelines.reference import read_reference

    version = registry.get_version(ref, stage)
    content = registry.checked_artifact(version)
    with tempfile.TemporaryDirectory(prefix="optaic-model-") as folder:
        files = Path(folder) / "files"
        unpack_zip(content, files)
        return read_reference(files)


def _chosen(known: Sequence[str], columns: Sequence[str] | None) -> list[str]:
    unknown = [name for name in columns or () if name not in known]
    if unknown:
        raise ValueError(f"there is no column {unknown[0]!r}")
    key = ("entity", "date", "knowledge_date", "feature_date")
    return list(columns) if columns is not None else [name for name in known if name not in key]


def _judged(check: Check, value: float | None) -> CheckResult:
    passed = value is not None and _HOLDS[check.comparison](value, check.threshold)
    return CheckResult(check, value, passed)
