"""What the schedules of an instance must hold before it is created or updated."""

from application.context import Context, check
from application.handlers.facts import load_dataset, load_instance
from application.ports import StreamCheck
from application.schedules.timetable import check_cron, zone_of
from domain.dataset import decider as datasets
from domain.model_instance import decider as instances
from domain.model_instance.errors import InstanceScheduleCycle
from domain.model_instance.specification import Specification


def check_schedules(
    context: Context, name: str, output: str, specification: Specification
) -> list[StreamCheck]:
    """Cron lines and zones can be read, followed datasets exist, and no inference follows itself; returns the
    streams that this relies on.

    Raises InstanceCronInvalid, InstanceTimezoneUnknown, InstanceScheduleCycle, DatasetUnknown.
    """
    checks: dict[str, StreamCheck] = {}
    for one in specification.schedules:
        zone_of(one.timezone)
        if one.cron is not None:
            check_cron(one.cron)
        elif one.after_dataset is not None and one.kind == "inference":
            checks |= _check_no_cycle(context, name, output, one.after_dataset)
        elif one.after_dataset is not None and one.after_dataset != output:
            datasets.existing(load_dataset(context, one.after_dataset).state, one.after_dataset)
    return list(checks.values())


def _check_no_cycle(context: Context, name: str, output: str, followed: str) -> dict[str, StreamCheck]:
    """Walk from what is followed to what that follows in turn; it must never come to this instance.

    Only inferences write datasets, so only they can close a circle. The instances on the way are checked
    in the append: two updates that close a circle together cannot both hold.
    """
    checks: dict[str, StreamCheck] = {}
    waiting, seen = [followed], set[str]()
    while waiting:
        dataset = waiting.pop()
        if dataset == output:
            raise InstanceScheduleCycle(f"{name} would follow its own output {output}", follows=followed)
        if dataset in seen:
            continue
        seen.add(dataset)
        writer = datasets.existing(load_dataset(context, dataset).state, dataset).instance
        if writer is None:
            continue
        loaded = load_instance(context, writer)
        checks[writer] = check(instances.stream(writer), loaded)
        waiting += _followed_by_inference(loaded.state.specification)
    return checks


def _followed_by_inference(specification: Specification | None) -> list[str]:
    schedules = specification.schedules if specification else ()
    return [one.after_dataset for one in schedules if one.after_dataset and one.kind == "inference"]
