"""Alerts, and what runs measured over time."""

from projections.engine.projection import Projection
from projections.monitoring.fold import fold
from projections.monitoring.tables import RELATIONS

PROJECTION = Projection(name="monitoring", version=1, relations=RELATIONS, fold=fold)
