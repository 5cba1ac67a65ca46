"""Lineage: what went into what, across datasets, runs and models."""

from projections.engine.projection import Projection
from projections.lineage.fold import fold
from projections.lineage.tables import RELATIONS

PROJECTION = Projection(name="lineage", version=1, relations=RELATIONS, fold=fold)
