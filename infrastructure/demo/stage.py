"""What the story is played on: one service in this process, and short names for the steps."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import polars as pl

from application.bus import Sender
from application.ports import Outcome
from application.views import ActivityView, DefinitionView, RunView, VersionView
from domain.ml_module_def.commands import PublishDefinition, SubmitDefinition
from domain.run.commands import SubmitRun
from domain.shared.activity import Actor
from domain.shared.command import Command
from domain.shared.errors import RuleBroken
from domain.shared.times import LogMoment
from infrastructure.bootstrap import Service
from infrastructure.demo.account import Account, Bar, ClaimFailed
from optaic.mlops.packaging import pack

T = TypeVar("T")
_STEP_LIMIT_S = 300.0
_TICK_S = 0.25


class Stage:
    """A running service with the demonstration's principals."""

    def __init__(self, service: Service, account: Account, tenant: str) -> None:
        self.service = service
        self.account = account
        self.tenant = tenant
        self._correlation: UUID | None = None

    @contextmanager
    def workflow(self) -> Iterator[None]:
        """Commands inside share one correlation id."""
        self._correlation = uuid4()
        yield
        self._correlation = None

    def send(self, command: Command, principal: str, reason: str | None = None) -> Outcome:
        """Send a command and wait until every view has seen it."""
        outcome = self.service.bus.send(
            command,
            Sender(
                tenant=self.tenant,
                actor=Actor(principal=principal),
                reason=reason,
                correlation_id=self._correlation,
            ),
        )
        self.service.queries.wait(outcome.position, _STEP_LIMIT_S)
        return outcome

    def refused(self, command: Command, principal: str) -> RuleBroken:
        """Send a command that must be refused without an event; returns the refusal."""
        head = self.service.log.head()
        try:
            self.send(command, principal)
        except RuleBroken as broken:
            self.account.claim(self.service.log.head() == head, "a refused command left an event")
            return broken
        raise ClaimFailed(f"{command.TYPE} was accepted")

    def until(self, question: Callable[[], T | None], meanwhile: Callable[[], None] = lambda: None) -> T:
        """Wait for the log to make a question answerable; `meanwhile` is called a few times a second."""
        position, quiet_since = self.service.log.head(), time.monotonic()
        while True:
            self.service.queries.wait(position, _STEP_LIMIT_S)
            answer = question()
            if answer is not None:
                return answer
            grown = position
            while grown == position:
                grown = self.service.log.wait_beyond(position, _TICK_S)
                meanwhile()
                if grown == position and time.monotonic() - quiet_since > _STEP_LIMIT_S:
                    raise ClaimFailed(f"nothing happened for {_STEP_LIMIT_S:.0f} s")
            position, quiet_since = grown, time.monotonic()

    def store(self, rows: pl.DataFrame) -> str:
        """Keep rows as a Parquet blob; returns its hash."""
        buffer = BytesIO()
        rows.write_parquet(buffer)
        return self.service.artifacts.put(buffer.getvalue())

    def rows(self, dataset: str, number: int | None, *, first: date) -> pl.DataFrame:
        """What a dataset version holds from a date on."""
        view = self.service.queries.dataset_version(self.tenant, dataset, number or 0)
        if view is None or view.content is None:
            raise ClaimFailed(f"there is no {dataset}@{number}")
        return self.service.datasets.read(view.content.manifest_sha256, None, first=first)

    def submit(self, folder: Path, principal: str) -> tuple[str, str]:
        """Submit a definition folder; returns its name and version, its evaluation goes on."""
        package = self.service.artifacts.put(pack(folder))
        submitted = self.send(SubmitDefinition(package_sha256=package), principal)
        name, version = submitted.refs[0].partition(":")[2].split("@")
        return name, version

    def verdict(self, name: str, version: str) -> DefinitionView:
        """Wait until a definition is evaluated."""
        return self.until(lambda: self._decided(name, version))

    def publish(self, name: str, version: str, principal: str) -> tuple[DefinitionView, int]:
        """Wait for the verdict, which must be good, and publish; returns it and the position."""
        evaluated = self.verdict(name, version)
        report = "; ".join(f"{one.name}: {one.detail}" for one in _checks(evaluated) if not one.ok)
        self.account.claim(evaluated.state == "passed", f"{name}@{version} failed its evaluation: {report}")
        published = self.send(PublishDefinition(name=name, version=version), principal)
        return evaluated, published.position

    def _decided(self, name: str, version: str) -> DefinitionView | None:
        found = self.service.queries.definition(self.tenant, name, version)
        return found if found is not None and found.state != "submitted" else None

    def run(
        self,
        instance: str,
        kind: Any,
        principal: str,
        *,
        as_of: datetime | None = None,
        first: date | None = None,
        last: date | None = None,
        model_version: int | None = None,
        refit: bool = False,
    ) -> RunView:
        """Submit a run and wait for its end, which must be a completion."""
        command = SubmitRun(
            instance=instance,
            kind=kind,
            as_of=as_of,
            first=first,
            last=last,
            model_version=model_version,
            refit=refit,
        )
        run_id = self.send(command, principal).refs[0].partition(":")[2]
        what = f"{kind} of {instance}" + (f" as of {as_of:%Y-%m-%d}" if as_of else "")
        with self.account.working(what) as bar:
            done = self.until(lambda: self._ended(run_id), lambda: self._show_progress(run_id, bar))
        error = done.error and f"{done.error.code}: {done.error.message}"
        self.account.claim(
            done.state == "completed", f"the {kind} run of {instance} ended as {done.state}: {error}"
        )
        return done

    def _show_progress(self, run_id: str, bar: Bar | None) -> None:
        progress = self.service.executor.progress(run_id)
        if bar is not None and progress is not None:
            bar.show(*progress)

    def _ended(self, run_id: str) -> RunView | None:
        found = self.service.queries.run(self.tenant, run_id)
        return found if found is not None and found.ended is not None else None

    def version(self, instance: str, number: int | None) -> VersionView:
        """A model version that must be there."""
        found = self.service.queries.version(self.tenant, instance, number or 0)
        if found is None:
            raise ClaimFailed(f"there is no {instance}@{number}")
        return found

    def event(self, position: int) -> ActivityView:
        """The event at a position."""
        found = self.service.queries.event(self.tenant, position)
        if found is None:
            raise ClaimFailed(f"there is no event at {position}")
        return found

    def production(self, instance: str, position: int) -> Any:
        """Who was in production at a position of the log."""
        found = self.service.queries.production_at(self.tenant, instance, LogMoment(position))
        if found is None:
            raise ClaimFailed(f"{instance} had nothing in production at {position}")
        return found


def _checks(view: DefinitionView) -> Any:
    return view.evaluation.checks if view.evaluation else ()
