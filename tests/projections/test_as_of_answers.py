"""Every answer of the read side, at any position, equals a plain model of that prefix of the log."""

import tempfile
from contextlib import closing
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from infrastructure.views import Views, open_views
from tests.projections.support.comparing import Comparison
from tests.projections.support.generated import TENANTS, Generator
from tests.projections.support.memory_log import MemoryLog
from tests.projections.support.oracle import Model
from tests.projections.support.places import PostgresPlaces


def compare(views: Views, log: MemoryLog, position: int, limit: int = 3) -> None:
    for tenant in TENANTS:
        model = Model(tenant)
        for recorded in log.events[:position]:
            model.fold(recorded)
        Comparison(views.queries, model, position, limit).all()


def check(views: Views, log: MemoryLog, data: st.DataObject) -> None:
    views.catch_up()
    for position in data.draw(st.sets(st.integers(0, log.head()), max_size=3)) | {log.head()}:
        compare(views, log, position)


def generated(random: Random, steps: int) -> MemoryLog:
    generator = Generator(random)
    for _ in range(steps):
        generator.step()
    return generator.log


logs = st.builds(generated, st.randoms(use_true_random=False), st.integers(1, 120))
pages = st.sampled_from([1, 7, 1000])


@settings(max_examples=12, deadline=None)
@given(log=logs, page=pages, data=st.data())
def test_an_answer_as_of_any_position_equals_the_fold_of_that_prefix(log, page, data):
    with tempfile.TemporaryDirectory() as folder:
        views = open_views(Path(folder) / "views.sqlite", log, page_size=page)
        with closing(views):
            check(views, log, data)


@settings(max_examples=4, deadline=None)
@given(log=logs, page=pages, data=st.data())
def test_an_answer_of_postgresql_as_of_any_position_equals_the_fold_of_that_prefix(
    view_databases, log, page, data
):
    with (
        PostgresPlaces(view_databases) as places,
        closing(places.views("views", log, page_size=page)) as views,
    ):
        check(views, log, data)


def test_a_long_log_answers_like_its_prefixes(opened):
    log = Generator(Random(1)).run(1_200)
    views = opened(log, page_size=97)
    views.catch_up()
    for position in (log.head(), 401, 1):
        compare(views, log, position, limit=100)


def test_answers_do_not_change_while_the_log_grows(opened):
    generator = Generator(Random(5))
    log = generator.run(300)
    views = opened(log, page_size=50)
    views.catch_up()
    compare(views, log, 300, limit=50)
    for _ in range(200):
        generator.step()
        views.catch_up()
    compare(views, log, 300, limit=50)
    compare(views, log, log.head(), limit=50)
