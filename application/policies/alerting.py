"""What a run's metrics raise and resolve: an instance's alert rules, judged over the runs that the log holds.

A rule is taken as it stood when the run completed. Runs that tell the past again raise nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from application.handlers.alerts import rules_of
from application.policies.asked import asked_for
from application.policies.context import PolicyContext
from domain.alert import decider
from domain.alert.commands import RaiseAlert, ResolveAlert
from domain.alert.events import AlertRaised, AlertResolved
from domain.alert_rules import AlertRule, Judgement, judge, rule_called
from domain.model_instance import decider as instances
from domain.model_instance.events import InstanceArchived, InstanceUpdated
from domain.run import decider as runs
from domain.run.again import tells_the_past_again
from domain.run.events import RunCompleted
from domain.shared.activity import RecordedEvent, StreamKey


def judge_run(recorded: RecordedEvent, context: PolicyContext) -> None:
    """Compare the run's metrics with the rules that watch them: raise, keep or resolve their alerts."""
    event = recorded.event
    if not isinstance(event, RunCompleted) or not event.metrics:
        return
    asked = asked_for(event.run_id, recorded, context)
    if asked is None or tells_the_past_again(asked.run):
        return
    judge_of = _Judge(recorded, event, context)
    for rule in _rules_at(recorded, event.instance, context):
        for metric in sorted(filter(rule.matches, event.metrics)):
            judge_of.judge(rule, metric)


def resolve_left(recorded: RecordedEvent, context: PolicyContext) -> None:
    """Resolve the open alerts of rules that are gone: an archived instance has none."""
    event = recorded.event
    if not isinstance(event, InstanceUpdated | InstanceArchived):
        return
    if isinstance(event, InstanceUpdated) and not {"alert_rules", "definition"} & set(event.changed):
        return
    rules = _rules_at(recorded, event.name, context)
    for identity in context.services.lookups.open_alerts(recorded.tenant, event.name, recorded.position):
        told = context.services.log.read_stream(recorded.tenant, decider.stream_of(identity))
        raised = next(one.event for one in reversed(told) if isinstance(one.event, AlertRaised))
        rule = rule_called(rules, raised.rule.called)
        if raised.alert_id == identity and (rule is None or not rule.matches(raised.metric)):
            command = ResolveAlert(alert_id=identity)
            context.send("alerting", command, recorded, "its rule is gone", of=identity)


def _rules_at(recorded: RecordedEvent, instance: str, context: PolicyContext) -> tuple[AlertRule, ...]:
    """The rules of an instance as they stood at an event; none once it is archived."""
    log, state = context.services.log, instances.INITIAL
    for one in log.read_stream(recorded.tenant, instances.stream(instance)):
        if one.event is not None and one.position <= recorded.position:
            state = instances.evolve(state, one.event)
    if state.specification is None or state.archived:
        return ()
    return rules_of(log, recorded.tenant, state.specification)


@dataclass
class _Judge:
    """The judgement of one run's metrics."""

    recorded: RecordedEvent
    event: RunCompleted
    context: PolicyContext
    completions: dict[str, tuple[int, RunCompleted]] = field(
        default_factory=dict[str, tuple[int, RunCompleted]]
    )
    """Runs that were read: where their end stands in the log, and what it says."""

    def judge(self, rule: AlertRule, metric: str) -> None:
        """Send what the values of a metric ask for."""
        stream = decider.stream(self.event.instance, rule.called, metric)
        told = self.context.services.log.read_stream(self.recorded.tenant, stream)
        state = decider.INITIAL
        for one in told:
            state = state if one.event is None else decider.evolve(state, one.event)
        series = self._series(metric, rule.values_needed)
        changed = self._last_change(told)
        since = sum(position > changed for position, _ in series)
        judged = judge(rule, [value for _, value in series], is_open=state.is_open, since=since)
        self._send(rule, metric, stream, state.number, judged)

    def _send(self, rule: AlertRule, metric: str, stream: StreamKey, number: int, judged: Judgement) -> None:
        value, run_id = judged.value, self.event.run_id
        if judged.verdict == "keep" or value is None:
            return
        if judged.verdict == "raise":
            instance, name = self.event.instance, rule.called
            command = RaiseAlert(instance=instance, rule=name, metric=metric, value=value, run_id=run_id)
            reason = f"{metric} {value:.6g}, the rule is {rule.condition()}"
        else:
            identity = decider.alert_id(stream, number)
            command = ResolveAlert(alert_id=identity, run_id=run_id, value=value)
            reason = f"{metric} {value:.6g} is clear of {rule.quiet_threshold:g}"
        self.context.send("alerting", command, self.recorded, reason, of=stream.name)

    def _series(self, metric: str, count: int) -> list[tuple[int, float]]:
        """The metric's latest values with the positions of their runs' ends, oldest first."""
        own = (self.recorded.position, self.event.metrics[metric])
        if count == 1:
            return [own]
        at, instance = self.recorded.position, self.event.instance
        found = self.context.services.lookups.runs_telling(self.recorded.tenant, instance, metric, count, at)
        ended = [self._completion(run_id) for run_id in found if run_id != self.event.run_id]
        before = [(one[0], one[1].metrics[metric]) for one in ended if one]
        return [*before[1 - count :], own]

    def _last_change(self, told: Sequence[RecordedEvent]) -> int:
        """Up to where the values led to the present state: the run that changed it, or whoever did."""
        for one in reversed(told):
            if isinstance(one.event, AlertRaised | AlertResolved):
                caused = self._completion(one.event.run_id) if one.event.run_id else None
                return caused[0] if caused else one.position
        return 0

    def _completion(self, run_id: str) -> tuple[int, RunCompleted] | None:
        if run_id not in self.completions:
            for one in self.context.services.log.read_stream(self.recorded.tenant, runs.stream(run_id)):
                if isinstance(one.event, RunCompleted):
                    self.completions[run_id] = (one.position, one.event)
        return self.completions.get(run_id)
