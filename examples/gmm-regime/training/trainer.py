"""How the model is trained and judged."""

from optaic.mlops.base import BaseTrainer, WalkForward

from model.mixture import MixtureModel
from training.features import Features
from training.target import Target


class Trainer(BaseTrainer):
    """A decision each quarter from the second; judged from the 80th decision on, refitted every four quarters."""

    features = Features
    target = Target
    model = MixtureModel
    walk_forward = WalkForward(first_test=80, refit_every=4)
    first_decision = 1
