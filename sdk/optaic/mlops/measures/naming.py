"""Metric names made of column names: `drift.feature.momentum_5`."""

import re
from collections.abc import Iterable

NAME_CHARACTERS_MAX = 128
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_./-]")


def metric_names(prefix: str, columns: Iterable[str]) -> dict[str, str]:
    """Column → metric: what a metric's name may not hold becomes `_`, and equal names are numbered."""
    names: dict[str, str] = {}
    taken = set[str]()
    for column in columns:
        plain = f"{prefix}.{_FORBIDDEN.sub('_', column)}"[:NAME_CHARACTERS_MAX]
        name, number = plain, 2
        while name in taken:
            ending = f".{number}"
            name, number = plain[: NAME_CHARACTERS_MAX - len(ending)] + ending, number + 1
        taken.add(name)
        names[column] = name
    return names
