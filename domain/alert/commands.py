"""What can be asked of an alert."""

from typing import Annotated, ClassVar

import msgspec

from domain.shared.command import Command
from domain.shared.ids import Name, RunId

AlertId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}-[1-9][0-9]{0,8}(?!\\n)$")]
"""The stream of a rule and a metric, and the alert's number in it."""


class RaiseAlert(Command, frozen=True, kw_only=True):
    """Raise an alert of one of the instance's rules; one that is open already stays the only one."""

    TYPE: ClassVar = "raise_alert"
    instance: Name
    rule: Name
    metric: Annotated[str, msgspec.Meta(min_length=1, max_length=250)]
    value: float
    run_id: RunId | None = None


class AcknowledgeAlert(Command, frozen=True, kw_only=True):
    """Say that somebody looks after an open alert."""

    TYPE: ClassVar = "acknowledge_alert"
    alert_id: AlertId


class ResolveAlert(Command, frozen=True, kw_only=True):
    """End an alert; resolved already, nothing changes."""

    TYPE: ClassVar = "resolve_alert"
    alert_id: AlertId
    run_id: RunId | None = None
    """The run whose metrics are clear again, where a rule resolves its alert."""
    value: float | None = None
