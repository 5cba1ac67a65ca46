"""How often the rules decide, and over which years they are judged."""

from datetime import date

from optaic.mlops.base import BaseTrainer, WalkForward

from model.rules import Rules
from training.features import Features
from training.target import Target


class Trainer(BaseTrainer):
    """Weekly decisions, the same as those of `xgb-signal`; judged by calendar years from 2000."""

    features = Features
    target = Target
    model = Rules
    walk_forward = WalkForward(first_test=date(2000, 1, 1), refit_every="1y")
    decide_every = 5
    first_decision = 260
