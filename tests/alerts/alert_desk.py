"""A desk that completes runs with given metrics and lets the policies act on everything that was recorded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from application.policies import POLICIES
from domain.alert import decider
from domain.alert.events import AlertAcknowledged, AlertRaised, AlertResolved
from domain.alert_rules import AlertRule
from domain.ml_module_def.commands import PublishDefinition, SubmitDefinition
from domain.model_instance.commands import UpdateInstance
from domain.run.commands import CompleteRun, FailRun
from domain.shared.activity import Event
from infrastructure.policy_progress import PolicyProgressFile
from tests.support.desk import TENANT, Desk, verdict
from tests.support.valid import digest, manifest

ALERT_EVENTS = (AlertRaised, AlertAcknowledged, AlertResolved)


def rule(metric: str = "drift.share", threshold: float = 0.5, **changes: Any) -> AlertRule:
    return AlertRule(**{"metric": metric, "comparison": "gt", "threshold": threshold, **changes})


class AlertDesk(Desk):
    """Acts on an event as the policies' own runner does, when told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.acted = 0

    def progress(self, of: str = "webhook") -> PolicyProgressFile:
        """How far a follower of this log has come."""
        return PolicyProgressFile(self.folder / f"{of}.json", self.log, self.clock)

    def ruled(self, *rules: AlertRule, name: str = "spx-alpha") -> None:
        """Give an instance these rules in the place of those it has."""
        self.send(UpdateInstance(name=name, alert_rules=rules))
        self.follow()

    def follow(self, upto: int | None = None) -> None:
        """Let the policies act on what was recorded since they last did, and on what they cause by that."""
        while recorded := self.log.read(self.acted, 1):
            if upto is not None and recorded[0].position > upto:
                return
            self.acted = recorded[0].position
            event = recorded[0].event
            for policy in POLICIES.get(type(event), ()) if event is not None else ():
                policy(recorded[0], self.policies())

    def measured(
        self, metrics: Mapping[str, float], kind: str = "monitoring", follow: bool = True, **changes: Any
    ) -> str:
        """A run that completed with these metrics."""
        facts = changes.pop("facts", {})
        run_id = self.start(self.submit(kind, **changes))
        self.send(CompleteRun(run_id=run_id, metrics=dict(metrics), facts=facts))
        if follow:
            self.follow()
        return run_id

    def drifted(self, *values: float) -> list[str]:
        """A monitoring run a value."""
        return [self.measured({"drift.share": value}) for value in values]

    def alert_events(self) -> list[Event]:
        """What happened to alerts, in order."""
        return [one.event for one in self.since(0) if isinstance(one.event, ALERT_EVENTS)]

    def told(self) -> list[str]:
        """The actions of alerts, in order."""
        return [event.action().removeprefix("alert.") for event in self.alert_events()]

    def raised(self) -> Sequence[AlertRaised]:
        return [event for event in self.alert_events() if isinstance(event, AlertRaised)]

    def alert_state(self, rule: str, metric: str = "drift.share") -> decider.State:
        stream = decider.stream("spx-alpha", rule, metric)
        return self.log.load(TENANT, stream, decider.INITIAL, decider.evolve).state

    def complete(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """End a run that was started."""
        self.send(CompleteRun(run_id=run_id, metrics=dict(metrics)))

    def failed_run(self) -> str:
        """A monitoring run that failed."""
        run_id = self.start(self.submit("monitoring"))
        self.send(FailRun(run_id=run_id, code="run.crashed", message="exit 1"))
        return run_id

    def define_with_alerts(self, version: str, *rules: AlertRule) -> None:
        """A published version of the definition whose package brings alert rules."""
        package = msgspec.structs.replace(
            manifest(version=version, package_sha256=digest(f"package {version}")), alerts=rules
        )
        self.send(SubmitDefinition(package_sha256=self.packages.add(package)))
        self.send(verdict(version))
        self.send(PublishDefinition(name="xgb-signal", version=version))
