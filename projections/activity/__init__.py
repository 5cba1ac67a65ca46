"""The activity: every event with its envelope, searchable, and in words."""

from projections.activity.fold import fold
from projections.activity.tables import RELATIONS
from projections.engine.projection import Projection

PROJECTION = Projection(name="activity", version=2, relations=RELATIONS, fold=fold)
