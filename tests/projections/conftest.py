"""A log of every event type, and views over it."""

from random import Random

import pytest

from tests.projections.support.generated import Generator
from tests.projections.support.partitions import Partitions
from tests.projections.support.places import PostgresPlaces, SqlitePlaces, ViewDatabases


@pytest.fixture
def generator():
    made = Generator(Random(3))
    made.run(600)
    return made


@pytest.fixture
def log(generator):
    return generator.log


@pytest.fixture(scope="session")
def view_databases(postgres_server):
    """Databases that tests of the whole session share; each gets them empty."""
    with ViewDatabases(postgres_server) as databases:
        yield databases


@pytest.fixture(params=["sqlite", "postgres"])
def places(request, tmp_path):
    """Where views may live: names of files, or of databases."""
    if request.param == "sqlite":
        yield SqlitePlaces(tmp_path)
    else:
        with PostgresPlaces(request.getfixturevalue("view_databases")) as databases:
            yield databases


@pytest.fixture
def opened(places):
    """Opens views; closes them in the end."""
    made = []

    def open_(log, name="views", **settings):
        views = places.views(name, log, **settings)
        made.append(views)
        return views

    yield open_
    for views in made:
        views.close()


@pytest.fixture
def partitions(view_databases):
    """Makes a log's partitions in a database of their own."""
    made, taken = [], []

    def make(log, count=6):
        taken.append(view_databases.take())
        made.append(Partitions(taken[-1], log, count))
        made[-1].publish()
        return made[-1]

    yield make
    for each in made:
        each.close()
    for url in taken:
        view_databases.give_back(url)
