"""What happened, in one English sentence an event. Who and why stand in the envelope, not in the sentence."""

from domain.access import events as access
from domain.alert import events as alert
from domain.dataset import events as dataset
from domain.guardrails.events import GuardrailEvaluated
from domain.ml_module_def import events as definition
from domain.model_instance import events as instance
from domain.model_version import events as version
from domain.run import events as run
from domain.shared.activity import Event


def sentence(event: Event) -> str:
    """The sentence; an event without words of its own is told by its action."""
    words = (
        _of_run(event)
        or _of_version(event)
        or _of_instance(event)
        or _of_dataset(event)
        or _of_definition(event)
        or _of_alert(event)
        or _of_access(event)
    )
    kind, identity = event.resource()
    return words or f"{event.action()} of {kind} {identity}."


def _of_run(event: Event) -> str | None:
    match event:
        case run.RunSubmitted():
            pinned = dict.fromkeys(f"{each.dataset}@{each.version}" for each in event.inputs)
            inputs = ", ".join(pinned) or "no dataset"
            article = "An" if event.kind == "inference" else "A"
            using = f" with {event.instance}@{event.model.number}" if event.model else ""
            return (
                f"{article} {event.kind} run of {event.instance} was submitted ({event.trigger}){using}, "
                f"reading {inputs} as of {event.as_of.isoformat()}."
            )
        case run.RunStarted():
            return f"{event.worker} started the {event.kind} run {event.run_id}."
        case run.RunMetricsLogged():
            names = sorted({point.name for point in event.points})
            points = _count(len(event.points), "point")
            return f"The {event.kind} run {event.run_id} logged {points} of {', '.join(names)}."
        case run.RunCompleted():
            return f"The {event.kind} run {event.run_id} completed{_made(event)}."
        case run.RunFailed():
            return f"The {event.kind} run {event.run_id} failed with {event.code}: {event.message}"
        case run.RunReproduced():
            seen = ", ".join(one.what for one in event.differences) or "file and metrics are equal"
            return f"{event.by_run} did the training run {event.run_id} again: {event.verdict} ({seen})."
        case run.RunCancelled():
            return f"The {event.kind} run {event.run_id} was cancelled."
        case GuardrailEvaluated(report=report):
            issues = _count(len(report.issues), "issue")
            verdict = "passed" if report.ok else report.enforced_as
            if report.overridden_by:
                who = report.overridden_by
                return f"{who} overrode the gate {report.gate} of {report.target} with {issues}."
            return f"The gate {report.gate} {verdict} {report.target} with {issues}."
        case _:
            return None


def _made(event: run.RunCompleted) -> str:
    if event.model_version is not None:
        return f" and made {event.instance}@{event.model_version}"
    if event.dataset_version is not None:
        return f" and wrote version {event.dataset_version} of its output dataset"
    return ""


def _of_version(event: Event) -> str | None:
    match event:
        case version.VersionRegistered():
            where = "in staging" if event.stage == "staging" else "outside all stages"
            return f"{_ref(event)} was registered by training run {event.run_id}, {where}."
        case version.VersionStaged():
            return f"{_ref(event)} became a candidate for production."
        case version.VersionPromoted():
            return f"{_ref(event)} went into production{_instead(event.instance, event.replaces)}."
        case version.VersionRolledBack():
            return f"{_ref(event)} came back into production{_instead(event.instance, event.replaces)}."
        case version.VersionArchived():
            successor = f", replaced by {event.instance}@{event.replaced_by}" if event.replaced_by else ""
            return f"{_ref(event)} was archived from {event.former_stage}{successor}."
        case version.VersionAnnotated():
            return f"Description or tags of {_ref(event)} changed."
        case version.VersionPurged():
            return f"The artifact of {_ref(event)} was purged{_by_force(event.forced)}."
        case _:
            return None


def _ref(event: version.VersionRegistered | version.VersionStaged | version.VersionPromoted | Event) -> str:
    return event.resource()[1]


def _instead(name: str, replaced: int | None) -> str:
    return f" in place of {name}@{replaced}" if replaced else ""


def _by_force(forced: bool) -> str:  # noqa: FBT001  the event's own flag
    return " by force" if forced else ""


def _of_instance(event: Event) -> str | None:
    match event:
        case instance.InstanceCreated():
            return f"The instance {event.name} was created from {event.specification.definition}."
        case instance.InstanceUpdated():
            return f"The instance {event.name} changed its {', '.join(event.changed)}."
        case instance.InstanceVersionNumbered():
            return f"{event.name} gave the number {event.number} to the result of run {event.run_id}."
        case instance.InstanceActiveVersionChanged():
            active = f"{event.name}@{event.active}" if event.active else "none"
            former = f"{event.name}@{event.former}" if event.former else "none"
            return f"The active version of {event.name} is {active}; it was {former}."
        case instance.InstanceArchived():
            return f"The instance {event.name} was archived."
        case instance.SlotSkipped():
            return (
                f"The {event.kind} slot {event.slot.isoformat()} of {event.name} was skipped: {event.cause}"
            )
        case _:
            return None


def _of_dataset(event: Event) -> str | None:
    match event:
        case dataset.DatasetCreated():
            for_whom = f" for {event.instance}" if event.instance else ""
            return f"The {event.kind} dataset {event.name} was created{for_whom}."
        case dataset.DatasetVersionWritten():
            by = f" by inference run {event.run_id}" if event.run_id else ""
            return f"{_ref(event)} was written{by}: {_count(event.facts.rows, 'new row')}."
        case dataset.DatasetVersionRegistered():
            files = _count(len(event.files), "file")
            return f"{event.producer.service} announced {_ref(event)} with {files}."
        case dataset.DatasetVersionVerified():
            return f"{_ref(event)} was verified: {_count(event.facts.rows, 'new row')}."
        case dataset.DatasetVersionRejected():
            return f"{_ref(event)} was rejected with {event.code}: {event.detail}"
        case dataset.DatasetVersionCompacted():
            return f"{_ref(event)} was compacted into {_count(len(event.files), 'file')}."
        case dataset.DatasetVersionPurged():
            return f"The rows that {_ref(event)} added were purged{_by_force(event.forced)}."
        case _:
            return None


def _of_definition(event: Event) -> str | None:
    match event:
        case definition.DefinitionSubmitted():
            return f"{event.submitter} submitted {event.resource()[1]} ({event.manifest.category})."
        case definition.DefinitionEvaluated():
            held = sum(check.ok for check in event.checks)
            checks = _count(len(event.checks), "check")
            return f"{_ref(event)} {event.verdict} its evaluation: {held} of {checks} held."
        case definition.DefinitionPublished():
            return f"{_ref(event)} was published."
        case definition.DefinitionDeprecated():
            return f"{_ref(event)} was deprecated."
        case _:
            return None


def _of_alert(event: Event) -> str | None:
    match event:
        case alert.AlertRaised():
            what = f"The {event.rule.severity} alert {event.rule.called} of {event.instance} was raised"
            return f"{what}: {event.metric} was {event.value:.6g}, the rule is {event.rule.condition()}."
        case alert.AlertAcknowledged():
            return f"The alert {event.alert_id} of {event.instance} was acknowledged."
        case alert.AlertResolved():
            by = "" if event.run_id is None else f" by itself: run {event.run_id} was clear"
            return f"The alert {event.alert_id} of {event.instance} was resolved{by}."
        case _:
            return None


def _of_access(event: Event) -> str | None:
    match event:
        case access.AccessGranted():
            until = f" until {event.expires_at.isoformat()}" if event.expires_at else ""
            return f"{event.principal} got the {event.role} key {event.key_id}{until}."
        case access.AccessRevoked():
            return f"The key {event.key_id} was revoked."
        case access.AccessDenied():
            may = f"{event.principal} may not: the {event.role} key {event.key_id} was used for"
            return f"{may} {event.operation}, which needs the role {event.role_needed}."
        case _:
            return None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
