"""How far a sample has moved from another.

`psi` and `wasserstein` are Evidently 0.7's definitions, so a score means the same whoever computed it; the
tests compare them with Evidently's numbers. PSI: the sum of (p - q) ln(p / q) over bins. Wasserstein: the
area between the two distribution functions, in standard deviations of the reference. `ks` is the statistic:
Evidently's is its p-value, which falls with the number of rows alone and so decides nothing here.
"""

from collections.abc import Sequence

import numpy as np

from optaic.mlops.base import DriftMethod as Method

METHODS: tuple[Method, ...] = ("psi", "wasserstein", "ks")
"""All are distances: more is further."""
DISTINCT_MAX = 20
"""A reference of so few distinct values is compared value by value."""
_FLOOR = 0.0001


def score(method: Method, reference: np.ndarray, current: np.ndarray) -> float:
    """How far the current finite values are from the reference's; raises ValueError where one has none."""
    if not reference.size or not current.size:
        raise ValueError("a sample without finite values cannot be compared")
    return {"psi": psi, "wasserstein": wasserstein, "ks": ks}[method](reference, current)


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    """Population stability index of two samples, as Evidently bins them."""
    if np.unique(reference).size > DISTINCT_MAX:
        edges = np.histogram_bin_edges(np.concatenate([reference, current]), bins="sturges")
        counts = np.histogram(reference, edges)[0], np.histogram(current, edges)[0]
    else:
        keys = np.unique(np.concatenate([reference, current]))
        counts = _occurrences(keys, reference), _occurrences(keys, current)
    return psi_of_counts(*counts)


def psi_of_counts(reference: Sequence[int] | np.ndarray, current: Sequence[int] | np.ndarray) -> float:
    """The index of two histograms over the same bins; an empty bin counts as a share of 0.0001 or less."""
    p, q = _shares(reference), _shares(current)
    return float(np.sum((p - q) * np.log(p / q)))


def wasserstein(reference: np.ndarray, current: np.ndarray) -> float:
    """First Wasserstein distance in standard deviations of the reference (at least 0.001)."""
    together = np.sort(np.concatenate([reference, current]))
    steps = np.diff(together)
    gap = np.abs(_distribution(reference, together[:-1]) - _distribution(current, together[:-1]))
    return float(np.sum(gap * steps) / max(float(np.std(reference)), 0.001))


def ks(reference: np.ndarray, current: np.ndarray) -> float:
    """Kolmogorov and Smirnov's statistic: the greatest distance of the two distribution functions."""
    together = np.concatenate([reference, current])
    return float(np.max(np.abs(_distribution(reference, together) - _distribution(current, together))))


def _distribution(sample: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(sample), at, side="right") / sample.size


def _occurrences(keys: np.ndarray, sample: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(keys, sample), minlength=keys.size)


def _shares(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    whole = np.asarray(counts, dtype=np.float64)
    if not whole.sum():
        raise ValueError("an empty histogram cannot be compared")
    shares = whole / whole.sum()
    least = shares[shares > 0].min()
    return np.where(shares > 0, shares, least / 10**6 if least <= _FLOOR else _FLOOR)
