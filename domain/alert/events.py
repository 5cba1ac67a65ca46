"""What can happen to an alert. All alerts of one rule and one metric of an instance share a stream."""

from typing import ClassVar

from domain.alert_rules import AlertRule
from domain.shared.activity import Event
from domain.shared.ids import Name


class _OfAlert(Event, frozen=True, kw_only=True):
    alert_id: str
    instance: Name

    def resource(self) -> tuple[str, str]:
        return "alert", self.alert_id


class AlertRaised(_OfAlert, frozen=True, kw_only=True):
    """A metric crossed the line of a rule, as the rule stood then."""

    ACTIONS: ClassVar = ("alert.raised",)
    number: int
    """The how manieth alert of this rule and metric."""
    rule: AlertRule
    metric: str
    value: float
    """What was compared with the threshold: the latest value, or its window's."""
    run_id: str | None
    """The run whose metrics crossed the line; None: somebody raised it without one."""


class AlertAcknowledged(_OfAlert, frozen=True, kw_only=True):
    """Somebody has seen it and looks after it."""

    ACTIONS: ClassVar = ("alert.acknowledged",)


class AlertResolved(_OfAlert, frozen=True, kw_only=True):
    """The alert is over: somebody said so, or the metric came back by itself."""

    ACTIONS: ClassVar = ("alert.resolved",)
    run_id: str | None
    """The run whose metrics were clear again; None: somebody resolved it."""
    value: float | None
