"""Everything that one monitoring found, and how it is told: metrics, facts and the report."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from optaic.mlops.measures.comparing import ColumnDrift, Distribution, share
from optaic.mlops.measures.naming import metric_names
from optaic.mlops.measures.quality import ColumnQuality, Coverage

COLUMNS_MAX = 120
"""Columns whose own figures become metrics, those that drifted furthest first; the report has all."""
FACTS_BYTES_MAX = 24 * 1024


@dataclass
class Findings:
    """What was found; a part that could not be measured is absent and named in `not_measured`."""

    features: list[ColumnDrift] = field(default_factory=list[ColumnDrift])
    predictions: list[ColumnDrift] = field(default_factory=list[ColumnDrift])
    quality: dict[str, ColumnQuality] = field(default_factory=dict[str, ColumnQuality])
    repeated_rows: int | None = None
    freshness: dict[str, int] = field(default_factory=dict[str, int])
    coverage: Coverage | None = None
    distributions: dict[str, Distribution] = field(default_factory=dict[str, Distribution])
    performance: dict[str, float] = field(default_factory=dict[str, float])
    """Full metric names: `performance.rank_ic`, `performance.rank_ic.baseline`, …"""
    degraded: bool | None = None
    not_measured: dict[str, str] = field(default_factory=dict[str, str])
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    """More that is worth telling, beside what follows from the rest."""
    series: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Predicted and realised values, at most 400."""

    def metrics(self) -> dict[str, float]:
        """The figures by name; all finite."""
        named = self._named_columns()
        found = _scores("drift.feature", self.features, named)
        found |= _scores("drift.prediction", self.predictions, None)
        shares = {"drift.share": share(self.features), "drift.prediction.share": share(self.predictions)}
        found |= {name: value for name, value in shares.items() if value is not None}
        for what in ("missing", "infinite", "out_of_range"):
            names = metric_names(f"quality.{what}", (one for one in self.quality if one in named))
            found |= {name: float(getattr(self.quality[column], what)) for column, name in names.items()}
        if self.quality:
            found["quality.constant"] = float(sum(one.constant for one in self.quality.values()))
        if self.repeated_rows is not None:
            found["quality.duplicates"] = float(self.repeated_rows)
        names = metric_names("freshness.sessions", self.freshness)
        found |= {name: float(self.freshness[role]) for role, name in names.items()}
        if self.coverage is not None:
            found["coverage.entities"] = float(self.coverage.entities)
            found["coverage.share"] = self.coverage.share
        return found | self.performance

    def told(self) -> dict[str, Any]:
        """The facts: small, with the histograms of as many columns as fit, furthest drifted first."""
        facts = dict(self.facts)
        drifted = [one.column for one in self.features if one.drifted]
        facts["drifted"] = drifted[:COLUMNS_MAX]
        if self.degraded is not None:
            facts["degraded"] = self.degraded
        if self.coverage is not None and (self.coverage.missing or self.coverage.unknown):
            facts["entities_missing"] = list(self.coverage.missing)
            facts["entities_unknown"] = list(self.coverage.unknown)
        constant = [name for name, one in self.quality.items() if one.constant]
        if constant:
            facts["constant"] = constant[:COLUMNS_MAX]
        if self.not_measured:
            facts["not_measured"] = dict(list(self.not_measured.items())[:COLUMNS_MAX])
        facts["distributions"] = self._fitting(FACTS_BYTES_MAX - _bytes(facts))
        left_out = len(self.distributions) - len(facts["distributions"])
        if left_out:
            facts["distributions_left_out"] = left_out
        return facts

    def report(self) -> dict[str, Any]:
        """Everything, for report.json."""
        return {
            "form": 1,
            "facts": self.facts,
            "drift": {
                "features": [_drift(one) for one in self.features],
                "predictions": [_drift(one) for one in self.predictions],
                "share": share(self.features),
            },
            "quality": {
                "columns": {name: asdict(one) for name, one in self.quality.items()},
                "duplicates": self.repeated_rows,
            },
            "freshness": self.freshness,
            "coverage": None if self.coverage is None else asdict(self.coverage),
            "performance": self.performance,
            "degraded": self.degraded,
            "not_measured": self.not_measured,
            "distributions": {name: asdict(one) for name, one in self.distributions.items()},
            "series": self.series,
        }

    def _named_columns(self) -> set[str]:
        """The columns that get metrics of their own."""
        order = [*self._by_drift(), *self.quality]
        return set(list(dict.fromkeys(order))[:COLUMNS_MAX])

    def _by_drift(self) -> list[str]:
        scored = [one for one in self.features if one.score is not None]
        return [one.column for one in sorted(scored, key=lambda one: (-(one.score or 0.0), one.column))]

    def _fitting(self, space: int) -> dict[str, Any]:
        order = dict.fromkeys([*self._by_drift(), *self.distributions])
        kept: dict[str, Any] = {}
        for name in order:
            if name not in self.distributions:
                continue
            one = {key: value for key, value in asdict(self.distributions[name]).items() if value}
            if not self.distributions[name].values:
                one["edges"] = [float(f"{edge:.6g}") for edge in self.distributions[name].edges]
            space -= _bytes({name: one})
            if space < 0:
                break
            kept[name] = one
        return kept


def _scores(prefix: str, drifts: Iterable[ColumnDrift], only: set[str] | None) -> dict[str, float]:
    scores = {one.column: one.score for one in drifts if one.score is not None}
    names = metric_names(prefix, (name for name in scores if only is None or name in only))
    return {name: scores[column] for column, name in names.items()}


def _drift(one: ColumnDrift) -> dict[str, Any]:
    return asdict(one) | {"drifted": one.drifted}


def _bytes(content: Mapping[str, Any]) -> int:
    return len(json.dumps(content, default=str))
