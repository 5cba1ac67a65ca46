"""Datasets and their versions."""

from projections.datasets.fold import fold
from projections.datasets.tables import RELATIONS
from projections.engine.projection import Projection

PROJECTION = Projection(name="datasets", version=1, relations=RELATIONS, fold=fold)
