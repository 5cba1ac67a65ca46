"""The library's own inherited suites over the log on PostgreSQL."""

from unittest import TestCase

import pytest
from eventsourcing.persistence import InfrastructureFactoryError
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)

from infrastructure.activity_log.persistence import LogFactory


class _OnPostgres(TestCase):
    INITIAL_VERSION = 0

    @pytest.fixture(autouse=True)
    def _given(self, log_database):
        self.env = {"ACTIVITY_LOG_URL": log_database, "FIRST_VERSION": "0", "BARE_EVENTS": "yes"}

    def setUp(self):
        self.factory = LogFactory(self.env)
        self.addCleanup(self.factory.close)


class TestAggregateRecorder(_OnPostgres, AggregateRecorderTestCase):
    def create_recorder(self):
        return self.factory.aggregate_recorder()


class TestApplicationRecorder(_OnPostgres, ApplicationRecorderTestCase):
    def create_recorder(self):
        return self.factory.application_recorder()

    def test_insert_subscribe(self):
        self.optional_test_insert_subscribe()


class TestNonInterleavingNotificationIds(_OnPostgres, NonInterleavingNotificationIDsBaseCase):
    insert_num = 256  # the log's limit of events in one command

    def create_recorder(self):
        return self.factory.application_recorder()


def test_a_factory_without_a_log_is_refused():
    with pytest.raises(InfrastructureFactoryError, match="ACTIVITY_LOG_URL"):
        LogFactory({})
