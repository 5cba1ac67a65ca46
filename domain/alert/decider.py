"""Decisions about the alerts of one rule and one metric: one after the other, never two open.

(none) ──raised──> raised ──acknowledged──> acknowledged        resolved ──raised──> the next number
                      └────────resolved─────────┴──> resolved
"""

from math import isfinite
from typing import Literal, assert_never
from uuid import uuid5

import msgspec

from domain.alert.commands import RaiseAlert
from domain.alert.errors import AlertAlreadyResolved, AlertNotCrossed, AlertRuleUnknown, AlertUnknown
from domain.alert.events import AlertAcknowledged, AlertRaised, AlertResolved
from domain.alert_rules import AlertRule
from domain.shared.activity import Event, StreamKey
from domain.shared.ids import NAMESPACE

AlertEvent = AlertRaised | AlertAcknowledged | AlertResolved


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The last alert of the stream; `number` counts them."""

    instance: str = ""
    number: int = 0
    status: Literal["none", "raised", "acknowledged", "resolved"] = "none"

    @property
    def is_open(self) -> bool:
        """Whether an alert waits to be resolved."""
        return self.status in ("raised", "acknowledged")


INITIAL = State()


def stream(instance: str, rule: str, metric: str) -> StreamKey:
    """The stream of a rule (by name) and a metric: equal names give equal streams."""
    return StreamKey("alert", uuid5(NAMESPACE, f"alert\n{instance}\n{rule}\n{metric}").hex)


def alert_id(key: StreamKey, number: int) -> str:
    """The id of the `number`-th alert of a stream."""
    return f"{key.name}-{number}"


def stream_of(identity: str) -> StreamKey:
    """The stream in which an alert lives."""
    return StreamKey("alert", identity.partition("-")[0])


def raise_alert(state: State, command: RaiseAlert, rule: AlertRule | None) -> tuple[Event, ...]:
    """A new alert; one of this rule and metric that is open stays the only one."""
    if rule is None or not rule.matches(command.metric):
        raise AlertRuleUnknown(
            f"{command.instance} has no rule {command.rule} on {command.metric}", rule=command.rule
        )
    if not (isfinite(command.value) and rule.holds(command.value)):
        raise AlertNotCrossed(f"{command.metric} {command.value:g} is not {rule.condition()}")
    if state.is_open:
        return ()
    number = state.number + 1
    key = stream(command.instance, rule.called, command.metric)
    return (
        AlertRaised(
            alert_id=alert_id(key, number),
            instance=command.instance,
            number=number,
            rule=rule,
            metric=command.metric,
            value=command.value,
            run_id=command.run_id,
        ),
    )


def acknowledge(state: State, identity: str) -> tuple[Event, ...]:
    """Somebody looks after it; acknowledged already: nothing."""
    if not _is_last(state, identity) or state.status == "resolved":
        raise AlertAlreadyResolved(f"the alert {identity} is resolved")
    if state.status == "acknowledged":
        return ()
    return (AlertAcknowledged(alert_id=identity, instance=state.instance),)


def resolve(state: State, identity: str, run_id: str | None, value: float | None) -> tuple[Event, ...]:
    """It is over; resolved already: nothing."""
    if not _is_last(state, identity) or state.status == "resolved":
        return ()
    return (AlertResolved(alert_id=identity, instance=state.instance, run_id=run_id, value=value),)


def _is_last(state: State, identity: str) -> bool:
    """Whether this is the stream's last alert, not one that a later one followed; raises AlertUnknown."""
    number = int(identity.partition("-")[2])
    if number > state.number:
        raise AlertUnknown(f"there is no alert {identity}")
    return number == state.number


def evolve(state: State, event: Event) -> State:
    """Fold one event; total and never raising."""
    if not isinstance(event, AlertEvent):
        return state
    match event:
        case AlertRaised():
            return State(instance=event.instance, number=event.number, status="raised")
        case AlertAcknowledged():
            return msgspec.structs.replace(state, status="acknowledged")
        case AlertResolved():
            return msgspec.structs.replace(state, status="resolved")
        case _:
            assert_never(event)
