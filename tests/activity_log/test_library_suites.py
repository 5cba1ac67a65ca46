"""The library's own inherited suites over the log's recorders and factory."""

import tempfile
from pathlib import Path
from unittest import TestCase

import pytest
from eventsourcing.persistence import InfrastructureFactoryError, NotSupportedError
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    InfrastructureFactoryTestCase,
    NonInterleavingNotificationIDsBaseCase,
)
from eventsourcing.utils import Environment

from infrastructure.activity_log.persistence import LogFactory
from infrastructure.activity_log.recorders import LogAggregateRecorder, LogApplicationRecorder


def factory_in(folder: str) -> LogFactory:
    return LogFactory(
        {"ACTIVITY_LOG_PATH": str(Path(folder) / "log"), "FIRST_VERSION": "0", "BARE_EVENTS": "yes"}
    )


class _OnLog(TestCase):
    INITIAL_VERSION = 0

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.factory = factory_in(folder.name)
        self.addCleanup(self.factory.close)


class TestAggregateRecorder(_OnLog, AggregateRecorderTestCase):
    def create_recorder(self):
        return self.factory.aggregate_recorder()


class TestApplicationRecorder(_OnLog, ApplicationRecorderTestCase):
    def create_recorder(self):
        return self.factory.application_recorder()

    def test_insert_subscribe(self):
        self.optional_test_insert_subscribe()


class TestNonInterleavingNotificationIds(_OnLog, NonInterleavingNotificationIDsBaseCase):
    insert_num = 256  # the log's limit of events in one command

    def create_recorder(self):
        return self.factory.application_recorder()


class TestFactory(InfrastructureFactoryTestCase):
    """What the log does not do (cipher, compressor, tracking) is refused by name rather than left out."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.env = Environment("Log")
        self.env["PERSISTENCE_MODULE"] = "infrastructure.activity_log.persistence"
        self.env["ACTIVITY_LOG_PATH"] = str(Path(folder.name) / "log")
        super().setUp()

    def expected_factory_class(self):
        return LogFactory

    def expected_aggregate_recorder_class(self):
        return LogAggregateRecorder

    def expected_application_recorder_class(self):
        return LogApplicationRecorder

    def expected_tracking_recorder_class(self):
        raise NotImplementedError

    def tracking_recorder_subclass(self):
        raise NotImplementedError

    def expected_process_recorder_class(self):
        raise NotImplementedError

    def _refuses_to_hide_the_stored_bytes(self, key):
        self.env[key] = "zlib"
        with pytest.raises(InfrastructureFactoryError, match="stored bytes are the record"):
            self.factory.mapper(transcoder=self.transcoder)

    def test_mapper_with_compressor(self):
        self._refuses_to_hide_the_stored_bytes("COMPRESSOR_TOPIC")

    def test_mapper_with_cipher(self):
        self._refuses_to_hide_the_stored_bytes("CIPHER_TOPIC")

    def test_mapper_with_cipher_and_compressor(self):
        self._refuses_to_hide_the_stored_bytes("COMPRESSOR_TOPIC")
        self._refuses_to_hide_the_stored_bytes("CIPHER_TOPIC")

    def test_mapper_with_wrong_cipher_key(self):
        self._refuses_to_hide_the_stored_bytes("CIPHER_KEY")

    def test_create_tracking_recorder(self):
        with pytest.raises(NotSupportedError, match="fenced progress"):
            self.factory.tracking_recorder()

    def test_create_process_recorder(self):
        with pytest.raises(NotSupportedError, match="fenced progress"):
            self.factory.process_recorder()
