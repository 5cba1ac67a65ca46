"""Automatic promotion: when the instance says so, the metric holds and the gate passes."""

from application.policies.context import PolicyContext
from domain.model_instance import decider as instances
from domain.model_version.commands import PromoteVersion
from domain.model_version.events import VersionRegistered
from domain.shared.activity import RecordedEvent


def promote_automatically(recorded: RecordedEvent, context: PolicyContext) -> None:
    """Promote a new version in staging whose metric reaches the instance's threshold; never a refit for the
    past.
    """
    version = recorded.event
    if not isinstance(version, VersionRegistered) or version.refit or version.stage != "staging":
        return
    stream = instances.stream(version.instance)
    loaded = context.services.log.load(recorded.tenant, stream, instances.INITIAL, instances.evolve)
    specification = loaded.state.specification
    if specification is None or specification.promotion_policy.mode != "automatic":
        return
    metric, threshold = specification.promotion_policy.metric or "", specification.promotion_policy.at_least
    value = version.metrics.get(metric)
    if value is None or threshold is None or value < threshold:
        return
    command = PromoteVersion(instance=version.instance, number=version.number)
    context.send("promotion", command, recorded, f"promotion policy: {metric} {value:.6g} >= {threshold:.6g}")
