"""The schedules of an instance, which the service keeps; called as `pipeline.schedule` and `.unschedule`."""

from optaic.mlops.api import Json
from optaic.mlops.client import Refused, shared_client

_STALE = 412
_WRITES_MAX = 5


def schedule(
    instance: str,
    kind: str,
    *,
    cron: str | None = None,
    zone: str = "UTC",
    after: str | None = None,
    misfire: str | None = None,
    enabled: bool = True,
    beside: bool = False,
) -> Json:
    """Let the service submit runs of a kind: by a cron line in an IANA zone, or after a dataset changed.

    It takes the place of the instance's schedules of that kind, or stands `beside` them; other kinds stay.
    `misfire` as in docs/schedules.md. Returns the schedules with their next slots. Raises ValueError unless
    exactly one of `cron` and `after` is given; Refused (`instance.cron_invalid`, …).
    """
    if (cron is None) == (after is None):
        raise ValueError("a schedule has a cron line or a dataset that it follows: give cron or after")
    trigger: Json = {"after_dataset": after} if cron is None else {"cron": cron, "timezone": zone}
    wanted = {"kind": kind, "enabled": enabled, **trigger}
    return _scheduled(instance, kind, [wanted | ({"misfire": misfire} if misfire else {})], keep=beside)


def unschedule(instance: str, kind: str) -> Json:
    """Take all schedules of a kind away; returns those that are left. Raises Refused."""
    return _scheduled(instance, kind, [], keep=False)


def _scheduled(instance: str, kind: str, wanted: list[Json], *, keep: bool) -> Json:
    """Write them over the instance as it was read; read again where somebody else wrote meanwhile."""
    client = shared_client()
    taken = [_trigger(one) for one in wanted]
    for attempt in range(1, _WRITES_MAX + 1):
        known = client.get_model_instance(instance)
        stand: list[Json] = known["specification"]["schedules"]
        lasting = [one for one in stand if _trigger(one) not in taken and (keep or one["kind"] != kind)]
        try:
            client.update_model_instance(
                instance, expected_version=known["stream_version"], schedules=[*lasting, *wanted]
            )
            break
        except Refused as refusal:
            if refusal.status != _STALE or attempt == _WRITES_MAX:
                raise
    return client.get_instance_schedules(instance)


def _trigger(one: Json) -> tuple[str, ...]:
    """What makes a schedule another one: its kind, and when; the zone counts for a cron line only."""
    if one.get("cron") is None:
        return (one["kind"], one["after_dataset"])
    return (one["kind"], one["cron"], one["timezone"])
