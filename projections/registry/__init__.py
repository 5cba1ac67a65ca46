"""The registry: definitions, instances and model versions, and every gate's verdict."""

from projections.engine.projection import Projection
from projections.registry.fold import fold
from projections.registry.tables import RELATIONS

PROJECTION = Projection(name="registry", version=1, relations=RELATIONS, fold=fold)
