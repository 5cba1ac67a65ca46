"""The figures of stored predictions under the names that alert rules and views use."""

import math
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from optaic.mlops.measures.performance import degradation, performance


def realised(
    category: str,
    rows: pl.DataFrame,
    columns: Sequence[str],
    own: Mapping[str, float],
    *,
    rejected: pl.DataFrame | None = None,
) -> dict[str, float]:
    """The category's figures and the definition's `own`, which count where both have a name."""
    figures = performance(category, rows, columns, rejected=rejected)
    figures |= {name: float(value) for name, value in own.items() if math.isfinite(value)}
    return dict(sorted(figures.items()))


def performance_metrics(
    now: Mapping[str, float], then: Mapping[str, float], lower_is_better: Collection[str] = ()
) -> dict[str, float]:
    """`performance.<name>`, `.baseline` and `.degradation` of realised figures and those at training."""
    metrics = {f"performance.{name}": value for name, value in now.items()}
    metrics |= {f"performance.{name}.baseline": then[name] for name in now if name in then}
    lost = degradation(now, then, lower_is_better)
    return metrics | {f"performance.{name}.degradation": value for name, value in lost.items()}


def is_degraded(key_metric: str, metrics: Mapping[str, float], degraded_from: float) -> bool | None:
    """Whether the key figure lost its share or more; None where it cannot be compared."""
    lost = metrics.get(f"performance.{key_metric}.degradation")
    return None if lost is None else lost >= degraded_from
