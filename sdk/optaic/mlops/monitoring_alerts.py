"""Alerts of one instance: its rules, what they raised, and who looks after it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optaic.mlops.api import Json
    from optaic.mlops.client import Client

_PAGE = 500


class AlertManager:
    """The alerts of an instance. Rules are dicts of metric, comparison, threshold, severity and so on."""

    def __init__(self, instance: str, client: "Client | None" = None) -> None:
        self.instance = instance
        self._given = client

    @property
    def _client(self) -> "Client":
        from optaic.mlops.client import shared_client

        return self._given or shared_client()

    def rules(self, as_of: str | int | None = None) -> "list[Json]":
        """The rules that hold: the instance's own, or those of its definition."""
        moment = {} if as_of is None else {"as_of": as_of}
        return list(self._client.get_monitoring(self.instance, runs=1, **moment)["rules"])

    def set_rules(self, rules: Sequence[Mapping[str, Any]] | None) -> "Json":
        """Put these in the place of the rules that hold; None: those of the definition again."""
        given = None if rules is None else [dict(rule) for rule in rules]
        return self._client.update_model_instance(self.instance, alert_rules=given)

    def open(self, as_of: str | int | None = None) -> "list[Json]":
        """Alerts that nobody and nothing resolved yet, the one raised last first."""
        return self._alerts(state="open", as_of=as_of)

    def all(self, as_of: str | int | None = None) -> "list[Json]":
        """Every alert there was, the one raised last first."""
        return self._alerts(as_of=as_of)

    def acknowledge(self, alert_id: str, reason: str | None = None) -> "Json":
        """Say that somebody looks after it."""
        return self._client.acknowledge_alert(alert_id, reason=reason)

    def resolve(self, alert_id: str, reason: str | None = None) -> "Json":
        """End it; the rule raises another one when it has to."""
        return self._client.resolve_alert(alert_id, reason=reason)

    def _alerts(self, **filters: Any) -> "list[Json]":
        given = {name: value for name, value in filters.items() if value is not None}
        page = self._client.list_alerts(instance=self.instance, limit=_PAGE, **given)
        found = list(page["items"])
        while page["next_cursor"]:
            given["cursor"] = page["next_cursor"]
            page = self._client.list_alerts(instance=self.instance, limit=_PAGE, **given)
            found += page["items"]
        return found
