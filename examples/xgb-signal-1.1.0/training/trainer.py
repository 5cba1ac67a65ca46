"""How the model is trained and judged."""

from datetime import date

from optaic.mlops.base import BaseTrainer, WalkForward

from model.booster import BoosterModel
from training.features import Features
from training.target import Target


class Trainer(BaseTrainer):
    """Weekly decisions; judged on each calendar year from 2005 by a model that saw only the years before."""

    features = Features
    target = Target
    model = BoosterModel
    walk_forward = WalkForward(first_test=date(2005, 1, 1), refit_every="1y")
    decide_every = 5
    first_decision = 260
