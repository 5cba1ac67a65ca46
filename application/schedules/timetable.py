"""The slots of a cron line in a time zone, as UTC instants. Pure: no clock, no I/O.

Clock changes are treated as Debian's cron treats them:

- A line with fixed times (neither minute nor hour begins with `*`) has each of its local times once: in the
  hour that is left out, at the first minute after it; in the hour that comes twice, the first time.
- A line that runs through the hours or minutes (`*/15 * * * *`) follows elapsed time: what is left out has
  no slots, what comes twice has twice as many.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from domain.model_instance.errors import InstanceCronInvalid, InstanceTimezoneUnknown

_FIELDS = 5
_LENGTH_MAX = 200
_CHUNK = timedelta(days=7)
_HORIZON = timedelta(days=365 * 50)
_MARGIN = timedelta(hours=26)
"""More than any zone's clock was ever changed at once."""
_MINUTE = timedelta(minutes=1)
_ANY_TIME = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall clock without a zone


def zone_of(timezone: str) -> ZoneInfo:
    """The IANA zone. Raises InstanceTimezoneUnknown."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InstanceTimezoneUnknown(
            f"there is no time zone {timezone!r}", field="schedules.timezone"
        ) from None


def check_cron(cron: str) -> None:
    """The line has five fields that name at least one minute of fifty years.

    Raises InstanceCronInvalid.
    """
    if len(cron) > _LENGTH_MAX or not cron.isascii() or len(cron.split()) != _FIELDS:
        raise _invalid(cron, "it needs five fields: minute hour day-of-month month day-of-week")
    try:
        found = next(CronSim(cron, _ANY_TIME), None)
    except CronSimError as error:
        raise _invalid(cron, str(error)) from None
    if found is None:
        raise _invalid(cron, "its day never comes")


def next_slots(cron: str, timezone: str, after: datetime, count: int = 3) -> tuple[datetime, ...]:
    """The first `count` slots after a moment. Raises as `slots`."""
    return tuple(islice(slots(cron, timezone, after), count))


def slots(cron: str, timezone: str, after: datetime, until: datetime | None = None) -> Iterator[datetime]:
    """Slots in (after, until], strictly increasing, in UTC; without `until` they go on for decades.

    Raises InstanceCronInvalid, InstanceTimezoneUnknown.
    """
    zone = zone_of(timezone)
    check_cron(cron)
    start = after.astimezone(UTC)
    end = start + _HORIZON if until is None else until.astimezone(UTC)
    while start < end:
        stop = min(start + _CHUNK, end)
        first = next(CronSim(cron, _local(start - _MARGIN, zone) - _MINUTE), None)
        if first is None:
            return
        if first - _MARGIN > _local(stop, zone):  # nothing for a long time: go where the next one is
            start = max(stop, first.replace(tzinfo=UTC) - 2 * _MARGIN)
            continue
        yield from _chunk(cron, zone, start, stop)
        start = stop


def _chunk(cron: str, zone: ZoneInfo, start: datetime, stop: datetime) -> Iterator[datetime]:
    """Slots in (start, stop]: at a fixed offset one by one, around a clock change put in order first."""
    before, after = (moment.astimezone(zone).utcoffset() for moment in (start - _MARGIN, stop + _MARGIN))
    if before != after or before is None:
        yield from _around_change(cron, zone, start, stop)
        return
    for local in CronSim(cron, _local(start, zone)):
        slot = (local - before).replace(tzinfo=UTC)
        if slot > stop:
            return
        yield slot


def _around_change(cron: str, zone: ZoneInfo, start: datetime, stop: datetime) -> list[datetime]:
    last, has_fixed_times = _local(stop + _MARGIN, zone), _has_fixed_times(cron)
    found: set[datetime] = set()
    for local in CronSim(cron, _local(start - _MARGIN, zone)):
        if local > last:
            break
        found.update(_instants(local, zone, has_fixed_times=has_fixed_times))
    return sorted(slot for slot in found if start < slot <= stop)


def _instants(local: datetime, zone: ZoneInfo, *, has_fixed_times: bool) -> list[datetime]:
    """The moments at which clocks on the wall show a local time: one, two, or none."""
    both = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    shown = sorted(moment for moment in both if _local(moment, zone) == local)
    if not has_fixed_times:
        return shown
    return shown[:1] or [_after_gap(local, zone)]


def _after_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """The first minute that exists after a local time that does not."""
    while _local(local.replace(tzinfo=zone).astimezone(UTC), zone) != local:
        local += _MINUTE
    return local.replace(tzinfo=zone).astimezone(UTC)


def _has_fixed_times(cron: str) -> bool:
    minute, hour = cron.split()[:2]
    return not minute.startswith("*") and not hour.startswith("*")


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _invalid(cron: str, why: str) -> InstanceCronInvalid:
    return InstanceCronInvalid(f"the cron line {cron[:_LENGTH_MAX]!r}: {why}", field="schedules.cron")
