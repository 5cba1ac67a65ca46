"""How the scores are made and judged."""

from datetime import date

from optaic.mlops.base import BaseTrainer, WalkForward

from model.measures import Relevance
from training.features import Features
from training.target import Target


class Trainer(BaseTrainer):
    """Weekly decisions; judged on the newest three calendar years from 2005."""

    features = Features
    target = Target
    model = Relevance
    walk_forward = WalkForward(first_test=date(2005, 1, 1), refit_every="1y", last_blocks=3)
    decide_every = 5
    first_decision = 260
