"""The views over the durable log equal those over the log in memory."""

from random import Random

from domain.shared.times import from_micros
from infrastructure.activity_log import open_activity_log
from tests.projections.support.generated import Generator


class JournalClock:
    def __init__(self):
        self.micros = 0

    def now(self):
        return from_micros(self.micros)


def hashes(views):
    return {each.projection: each for each in views.state_hashes()}


def test_views_that_follow_the_durable_log_equal_those_of_the_log_in_memory(tmp_path, opened):
    generator = Generator(Random(11))
    generator.run(400)
    expected = opened(generator.log, "memory")
    expected.catch_up()
    clock = JournalClock()
    log = open_activity_log(tmp_path / "log", clock)
    live = opened(log, "live")
    live.start()
    for number, (micros, envelope, writes) in enumerate(generator.journal):
        clock.micros = micros
        outcome = log.append(envelope, writes)
        if number % 20 == 0:
            live.wait(outcome.position, 10)
            tenant = envelope.tenant
            assert live.queries.event(tenant, outcome.position).command_id == envelope.command_id
    live.wait(log.head(), 10)
    assert hashes(live) == hashes(expected)
    assert all(report.is_equal for report in live.verify())
    live.projector.stop()
    log.close()
