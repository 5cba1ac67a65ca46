"""The log as a persistence module of the library `eventsourcing`: factory, recorders and mapper.

The library's own aggregates, snapshots, sections and trackers are not used: these parts are refused.
Topics are looked up in the literal table of the domain; `resolve_topic` is never called on a stored name.
"""

from pathlib import Path
from typing import Any, Never, NoReturn

from eventsourcing.persistence import (
    InfrastructureFactory,
    InfrastructureFactoryError,
    JSONTranscoder,
    NotSupportedError,
    TrackingRecorder,
    Transcoder,
)

from infrastructure.activity_log.group_commit import GroupLimits
from infrastructure.activity_log.mapper import EventMapper
from infrastructure.activity_log.recorders import LogAggregateRecorder, LogApplicationRecorder, bare_envelope
from infrastructure.activity_log.store import LogStore


class LogFactory(InfrastructureFactory[TrackingRecorder]):
    """Builds the parts over one log: a file of SQLite or an installed database of PostgreSQL.

    Environment: ACTIVITY_LOG_PATH or ACTIVITY_LOG_URL, and for the library's own tools FIRST_VERSION (1) and
    BARE_EVENTS (no).
    """

    ACTIVITY_LOG_PATH = "ACTIVITY_LOG_PATH"
    ACTIVITY_LOG_URL = "ACTIVITY_LOG_URL"
    FIRST_VERSION = "FIRST_VERSION"
    BARE_EVENTS = "BARE_EVENTS"

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._without_envelope = bare_envelope if self.env.get(self.BARE_EVENTS) == "yes" else None
        first_version = int(self.env.get(self.FIRST_VERSION, "1") or "1")
        self.store = self._open(first_version)

    def _open(self, first_version: int) -> LogStore:
        path, url = self.env.get(self.ACTIVITY_LOG_PATH), self.env.get(self.ACTIVITY_LOG_URL)
        if url:
            return LogStore.open_postgres(url, first_version=first_version, limits=GroupLimits())
        if path:
            return LogStore.open_sqlite(Path(path), first_version=first_version, limits=GroupLimits())
        raise InfrastructureFactoryError(
            f"neither {self.ACTIVITY_LOG_PATH} nor {self.ACTIVITY_LOG_URL} names a log"
        )

    def mapper(self, transcoder: Transcoder | None = None, mapper_class: Any = None) -> Any:  # noqa: ARG002
        """The log's own mapper; a cipher or compressor would hide the bytes from auditors and is refused."""
        if self.env.get("CIPHER_TOPIC") or self.env.get("CIPHER_KEY") or self.env.get("COMPRESSOR_TOPIC"):
            raise InfrastructureFactoryError("the stored bytes are the record: no cipher, no compressor")
        return EventMapper(transcoder or JSONTranscoder())

    def aggregate_recorder(self, purpose: str = "events") -> LogAggregateRecorder:
        """Streams of the log; there are no snapshots to record elsewhere."""
        if purpose != "events":
            raise NotSupportedError(f"the log records events, not {purpose}")
        return LogAggregateRecorder(self.store, self._without_envelope)

    def application_recorder(self) -> LogApplicationRecorder:
        """The whole log."""
        return LogApplicationRecorder(self.store, self._without_envelope)

    def tracking_recorder(
        self,
        tracking_recorder_class: type[TrackingRecorder] | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Refused: projections keep their own fenced progress."""
        raise NotSupportedError("the log tracks nothing: projections keep their own fenced progress")

    def process_recorder(self) -> Never:
        """Refused: projections keep their own fenced progress."""
        raise NotSupportedError("the log tracks nothing: projections keep their own fenced progress")

    def close(self) -> None:
        """Close the log."""
        self.store.close()
