"""A log by partitions as the relay publishes it, and the views of one database that are folded from them."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from sqlalchemy import delete, insert

from infrastructure.kafka.partitions import PartitionPage, partition_of
from infrastructure.postgres.connections import engine
from infrastructure.postgres.operational import relay_partition, relay_progress
from infrastructure.views import PROJECTIONS, ViewReader, open_partitioned_views, open_view_reader, open_views
from infrastructure.views.partitioned import PartitionedViews, Resume
from projections.engine.projection import Projection
from projections.engine.state_hash import TableHash
from projections.engine.writer import no_failpoint
from tests.projections.support.memory_log import MemoryLog

Tables = Mapping[str, Mapping[str, TableHash]]


def folded(log: MemoryLog) -> Tables:
    """Every table as one partition in log order gives it, in SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        views = open_views(Path(folder) / "views.sqlite", log)
        with closing(views):
            views.catch_up()
            return {each.projection: each.tables for each in views.state_hashes()}


def tables(views: Any) -> Tables:
    """Every table as it is."""
    return {each.projection: each.tables for each in views.state_hashes()}


class Partitions:
    """Offsets are places in a partition's list of events."""

    def __init__(self, url: str, log: MemoryLog, count: int = 6) -> None:
        self.url = url
        self.log = log
        self.count = count
        self.at = dict.fromkeys(range(count), 0)
        self._opened = ExitStack()
        self._engine = engine(url, application_name="a relay's rows", pool_size=1)
        self._opened.callback(self._engine.dispose)

    def of(self, partition: int) -> Sequence[Any]:
        """The events of a partition."""
        return [each for each in self.log.events if partition_of(each.tenant, self.count) == partition]

    def publish(self) -> None:
        """The relay has put everything onto Kafka."""
        with self._engine.begin() as connection:
            connection.execute(delete(relay_progress))
            connection.execute(delete(relay_partition))
            head = {"id": 1, "owner": "relay", "position": self.log.head(), "moved_at_us": 0}
            connection.execute(insert(relay_progress).values(**head, partitions=self.count))
            for partition in self.at:
                events = self.of(partition)
                if events:
                    last = {"partition": partition, "position": events[-1].position}
                    connection.execute(insert(relay_partition).values(**last, kafka_offset=len(events) - 1))

    def views(
        self,
        projections: Sequence[Projection] = PROJECTIONS,
        hit: Callable[[str], None] = no_failpoint,
    ) -> PartitionedViews:
        """A consumer's views, without any partition."""
        made = open_partitioned_views(self.url, projections=projections, hit=hit)
        self._opened.callback(made.close)
        return made

    def reader(self) -> ViewReader:
        """A process that folds nothing."""
        made = open_view_reader(self.url, self.log)
        self._opened.callback(made.close)
        return made

    def assign(self, views: PartitionedViews, *partitions: int) -> list[Resume]:
        """Give partitions (default: all) to a consumer, who goes on where its views say."""
        resumes = [views.assigned(each) for each in partitions or tuple(self.at)]
        for partition, resume in zip(partitions or tuple(self.at), resumes, strict=True):
            self.at[partition] = resume.offset or 0
        return resumes

    def feed(self, views: PartitionedViews, partition: int, size: int = 1_000) -> bool:
        """Hand over the next page of a partition; False if there is none."""
        at = self.at[partition]
        page = self.of(partition)[at : at + size]
        if page:
            taken = views.apply([PartitionPage(partition, page, at + len(page))])
            if taken:
                raise taken[partition]
            self.at[partition] = at + len(page)
        return bool(page)

    def feed_all(self, views: PartitionedViews, random: Random | None = None, largest: int = 40) -> None:
        """Hand over everything there is, in pages of random sizes from random partitions."""
        random = random or Random(7)
        left = list(self.at)
        while left:
            partition = random.choice(left)
            if not self.feed(views, partition, random.randint(1, largest)):
                left.remove(partition)

    def rows(self, statement: str) -> list[Any]:
        """What the database answers."""
        with psycopg.connect(self.url, autocommit=True, options="-c search_path=optaic_views") as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close what was opened, the last first."""
        self._opened.close()
