"""The parts of an open log that the port and the persistence module share."""

from collections.abc import Iterable
from pathlib import Path

from application.ports import Clock
from domain.shared.times import to_micros
from infrastructure.activity_log.batch_writer import BatchWriter
from infrastructure.activity_log.dialect import Dialect
from infrastructure.activity_log.errors import LogHeadWrong
from infrastructure.activity_log.group_commit import GroupCommit, GroupLimits
from infrastructure.activity_log.head_signal import HeadSignal
from infrastructure.activity_log.ownership import Ownership, refuse_network_file_system
from infrastructure.activity_log.payload import Decoder
from infrastructure.activity_log.reading import LogReader
from infrastructure.activity_log.record import Row
from infrastructure.activity_log.sqlite import SqliteDialect
from infrastructure.activity_log.system_clock import SystemClock

OUTCOMES_KEPT_DAYS = 30
_DAY_US = 86_400_000_000


class LogStore:
    """Writer, readers and signal over one database; `close` ends them in order."""

    def __init__(
        self,
        dialect: Dialect,
        ownership: Ownership | None,
        clock: Clock,
        limits: GroupLimits,
        *,
        decoder: Decoder | None = None,
        first_version: int = 1,
    ) -> None:
        """Raises LogHeadWrong if the head row and the last event disagree."""
        self._dialect = dialect
        self._ownership = ownership
        self._clock = clock
        self._closed = False
        self.reader = LogReader(dialect.readers(), decoder or Decoder())
        last, head = self.reader.ends()
        if head != last:
            raise LogHeadWrong(f"the head says {head}, the last event is {last}", head=head, last=last)
        session = dialect.write_session()
        self.signal = HeadSignal(last)
        self.writer = BatchWriter(
            session,
            dialect.driver_errors,
            self._now_us,
            self.signal.advance,
            first_version - 1,
        )
        self.commit = GroupCommit(self.writer.write, limits)
        dialect.follow(self.signal.advance)

    @classmethod
    def open_sqlite(
        cls,
        path: Path,
        clock: Clock | None = None,
        *,
        limits: GroupLimits,
        decoder: Decoder | None = None,
        first_version: int = 1,
    ) -> "LogStore":
        """Own and open a log file, made where there is none.

        Raises LogOnNetworkFileSystem, LogOwnedElsewhere, LogFileForeign, LogHeadWrong, SqliteTooOld,
        SqliteSettingRefused.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_network_file_system(path.parent)
        ownership = Ownership(path)
        dialect: SqliteDialect | None = None
        try:
            dialect = SqliteDialect(path)
            dialect.create_tables()
            return cls(
                dialect,
                ownership,
                clock or SystemClock(),
                limits,
                decoder=decoder,
                first_version=first_version,
            )
        except BaseException:
            if dialect:
                dialect.close()
            ownership.release()
            raise

    @classmethod
    def open_postgres(
        cls,
        database_url: str,
        clock: Clock | None = None,
        *,
        limits: GroupLimits,
        decoder: Decoder | None = None,
        first_version: int = 1,
        owner_allowed: bool = False,
    ) -> "LogStore":
        """Open the log of a database that is installed; other processes may append to it as well.

        Raises what `infrastructure.postgres.checks.refuse_unfit` does, DatabaseUnreachable, LogHeadWrong.
        """
        from infrastructure.activity_log.postgres import PostgresDialect, reached

        dialect = PostgresDialect(database_url)
        try:
            dialect.check(owner_allowed=owner_allowed)
            with reached():
                return cls(
                    dialect,
                    None,
                    clock or SystemClock(),
                    limits,
                    decoder=decoder,
                    first_version=first_version,
                )
        except BaseException:
            dialect.close()
            raise

    def epoch(self) -> str:
        """The life of this log; empty on SQLite."""
        return self._dialect.epoch()

    def import_rows(self, rows: Iterable[Row]) -> int:
        """Take the rows of a whole log into an empty one; returns how many. Raises LogNotEmpty."""
        return self.commit.run_alone(lambda: self.writer.import_rows(rows))

    def forget_outcomes(self, kept_days: int) -> int:
        """Drop outcomes without events that are older; returns how many."""
        before_us = self._now_us() - kept_days * _DAY_US
        return self.commit.run_alone(lambda: self.writer.forget_outcomes(before_us))

    def _now_us(self) -> int:
        return to_micros(self._clock.now())

    def forget(self) -> None:
        """In a forked child: let go of the parent's lock and refuse every command."""
        self._closed = True
        self.commit.refuse_all()
        self._dialect.forget()
        if self._ownership is not None:
            self._ownership.release()

    def close(self) -> None:
        """Write what waits, then close; twice is once."""
        if self._closed:
            return
        self._closed = True
        self.commit.close()
        self.signal.close()
        self.writer.close()
        self._dialect.close()
        if self._ownership is not None:
            self._ownership.release()
