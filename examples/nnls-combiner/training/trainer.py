"""How the weights are fitted and judged."""

from datetime import date

from optaic.mlops.base import BaseTrainer, WalkForward

from model.weights import Weights
from training.features import Features
from training.target import Target


class Trainer(BaseTrainer):
    """Decides where the learned signal does, every fifth session; judged by calendar years from 2009."""

    features = Features
    target = Target
    model = Weights
    walk_forward = WalkForward(first_test=date(2009, 1, 1), refit_every="1y")
    decide_every = 5
