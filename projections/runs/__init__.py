"""Runs with what they pinned and made, and their metric series."""

from projections.engine.projection import Projection
from projections.runs.fold import fold
from projections.runs.tables import RELATIONS

PROJECTION = Projection(name="runs", version=2, relations=RELATIONS, fold=fold)
