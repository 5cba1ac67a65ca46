"""A log of every event type, and views over it."""

from random import Random

import pytest

from infrastructure.views import open_views
from tests.projections.support.generated import Generator


@pytest.fixture
def generator():
    made = Generator(Random(3))
    made.run(600)
    return made


@pytest.fixture
def log(generator):
    return generator.log


@pytest.fixture
def opened(tmp_path):
    """Opens views; closes them in the end."""
    made = []

    def open_(log, name="views", **settings):
        views = open_views(tmp_path / f"{name}.sqlite", log, **settings)
        made.append(views)
        return views

    yield open_
    for views in made:
        views.close()
