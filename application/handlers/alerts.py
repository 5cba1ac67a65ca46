"""Use cases of alerts."""

from msgspec import UNSET

from application.context import Context, check, write
from application.handlers.facts import load_instance
from application.ports import ActivityLog, Loaded, Outcome
from domain.alert import decider
from domain.alert.commands import AcknowledgeAlert, RaiseAlert, ResolveAlert
from domain.alert_rules import AlertRule, rule_called
from domain.ml_module_def import decider as definitions
from domain.model_instance import decider as instances
from domain.model_instance.specification import Specification
from domain.run import decider as runs
from domain.run.errors import RunUnknown
from domain.shared.activity import StreamKey


def raise_alert(command: RaiseAlert, context: Context) -> Outcome:
    """Raise an alert of a rule that the instance has now."""
    instance = load_instance(context, command.instance)
    specification = instances.open_for_change(instance.state, command.instance)
    _check_run(command, context)
    rule = rule_called(rules_of(context.services.log, context.tenant, specification), command.rule)
    stream = decider.stream(command.instance, command.rule, command.metric)
    loaded = _load(stream, context)
    events = decider.raise_alert(loaded.state, command, rule)
    unchanged = check(instances.stream(command.instance), instance)
    return context.append(write(stream, loaded, events), checks=[unchanged])


def acknowledge_alert(command: AcknowledgeAlert, context: Context) -> Outcome:
    """Somebody looks after it."""
    stream = decider.stream_of(command.alert_id)
    loaded = _load(stream, context)
    return context.append(write(stream, loaded, decider.acknowledge(loaded.state, command.alert_id)))


def resolve_alert(command: ResolveAlert, context: Context) -> Outcome:
    """It is over."""
    stream = decider.stream_of(command.alert_id)
    loaded = _load(stream, context)
    events = decider.resolve(loaded.state, command.alert_id, command.run_id, command.value)
    return context.append(write(stream, loaded, events))


def rules_of(log: ActivityLog, tenant: str, specification: Specification) -> tuple[AlertRule, ...]:
    """The instance's own rules or, where it has none of its own, those of its definition version."""
    if specification.alert_rules is not UNSET:
        return specification.alert_rules
    ref = specification.definition
    loaded = log.load(tenant, definitions.stream(ref.name), definitions.INITIAL, definitions.evolve)
    known = loaded.state.versions.get(ref.version)
    return known.manifest.alerts or () if known else ()


def _check_run(command: RaiseAlert, context: Context) -> None:
    """A run that is named is one of this instance; raises RunUnknown."""
    if command.run_id is None:
        return
    loaded = context.load(runs.stream(command.run_id), runs.INITIAL, runs.evolve)
    if runs.existing(loaded.state, command.run_id).instance != command.instance:
        raise RunUnknown(f"{command.instance} has no run {command.run_id}")


def _load(stream: StreamKey, context: Context) -> Loaded[decider.State]:
    return context.load(stream, decider.INITIAL, decider.evolve)
