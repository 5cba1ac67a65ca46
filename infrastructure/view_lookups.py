"""Candidates that no single stream names, found in the views once they have seen enough."""

from collections.abc import Sequence

from application.queries import LIMIT_MAX, Paging, Queries, RunFilter
from domain.shared.references import VersionRef


class ViewLookups:
    """The adapter of `application.context.Lookups` on the read side."""

    def __init__(self, queries: Queries, wait_s: float) -> None:
        self._queries = queries
        self._wait_s = wait_s

    def pending_runs(self, tenant: str, instance: str, position: int) -> Sequence[str]:
        """Ids of the instance's pending runs. Raises ProjectionBehind."""
        self._queries.wait(position, self._wait_s)
        found: list[str] = []
        cursor = None
        while True:
            paging = Paging(limit=LIMIT_MAX, cursor=cursor)
            page = self._queries.runs(tenant, RunFilter(instance=instance, state="pending"), paging)
            found += [run.id for run in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    def production_versions_reading(
        self, tenant: str, dataset: str, number: int, position: int
    ) -> Sequence[VersionRef]:
        """Production model versions that this dataset version, or one built on it, went into."""
        self._queries.wait(position, self._wait_s)
        impact = self._queries.impact(tenant, f"dataset_version:{dataset}@{number}", extends=True)
        return [] if impact is None else [VersionRef.parse(ref) for ref in impact.in_production]
