"""How the ranker is fitted and judged."""

from datetime import date

from optaic.mlops.base import BaseTrainer, WalkForward

from model.ranker import Ranker
from training.features import Features
from training.target import Target


class Trainer(BaseTrainer):
    """Decides where its signals do, every fifth session; judged by calendar years from 2014."""

    features = Features
    target = Target
    model = Ranker
    walk_forward = WalkForward(first_test=date(2014, 1, 1), refit_every="1y")
    decide_every = 5
