"""The service as its executor sees it: only its own work, claimed once, said in the workflow that asked."""

import pytest

from domain.dataset.commands import PurgeDatasetVersion
from domain.ml_module_def.commands import SubmitDefinition
from domain.model_instance.commands import ArchiveInstance
from domain.run.commands import CancelRun, FailRun, LogMetrics, SubmitRun
from domain.run.errors import RunAlreadyFinished
from domain.run.events import RunFailed, RunStarted
from domain.run.pins import MetricPoint
from domain.shared.activity import RecordedEvent
from infrastructure.processes.sandbox import Level
from infrastructure.work_source import ServiceWork
from tests.support.desk import TENANT, command_id, created, verdict
from tests.support.valid import AUTHOR, digest, manifest
from tests.wiring.wired_desk import WiredDesk

WORKFLOW = command_id(77)


@pytest.fixture
def work(desk: WiredDesk) -> ServiceWork:
    desk.ready()
    return ServiceWork(services=desk.services, bus=desk.bus, queries=desk.queries, tenants=lambda: (TENANT,))


def claim(work: ServiceWork, run_id: str, worker: str = "w1", level: Level = "L2"):
    return work.start(run_id, worker, "3.11", {"polars": "2.1"}, level)


def last(desk: WiredDesk) -> RecordedEvent:
    (found,) = desk.since(desk.log.head() - 1)
    return found


def submission(desk: WiredDesk, run_id: str) -> RecordedEvent:
    return next(one for one in desk.since(0) if one.resource_id == run_id)


def test_pending_runs_are_found_at_once_oldest_first_and_external_ones_are_not(
    desk: WiredDesk, work: ServiceWork
) -> None:
    mine = [desk.submit(), desk.submit()]
    desk.submit(executor="external")
    assert list(work.pending_runs()) == mine
    desk.start(desk.submit(executor="external"))
    claim(work, mine[0])
    assert list(work.pending_runs()) == mine[1:]
    assert list(work.running_runs("w1")) == mine[:1]
    assert list(work.running_runs("w2")) == []


def test_more_pending_runs_than_a_page_are_all_found(desk: WiredDesk, work: ServiceWork) -> None:
    mine = [desk.submit() for _ in range(501)]
    assert list(work.pending_runs()) == mine


def test_another_tenants_runs_are_not_taken(desk: WiredDesk, work: ServiceWork) -> None:
    desk.submit()
    other = ServiceWork(
        services=desk.services, bus=desk.bus, queries=desk.queries, tenants=lambda: ("other",)
    )
    assert list(other.pending_runs()) == list(other.unevaluated_definitions()) == []
    assert len(work.pending_runs()) == 1


def test_a_start_says_how_the_process_is_shut_in(desk: WiredDesk, work: ServiceWork) -> None:
    run_id = desk.submit()
    claim(work, run_id, level="L1")
    started = last(desk).event
    assert isinstance(started, RunStarted)
    assert started.sandbox_level == "L1"


def test_a_run_in_official_is_not_done_in_a_sandbox_that_is_too_weak(
    desk: WiredDesk, work: ServiceWork
) -> None:
    desk.send(created("bank", space="official"))
    weak, strong = desk.submit(instance="bank"), desk.submit(instance="bank")
    assert claim(work, weak, level="L1") is None
    failed = last(desk).event
    assert isinstance(failed, RunFailed)
    assert failed.code == "sandbox.level_too_low"
    assert claim(work, strong) is not None


def test_a_claimed_run_comes_with_what_it_pinned(desk: WiredDesk, work: ServiceWork) -> None:
    run_id = desk.submit()
    claimed = claim(work, run_id)
    assert claimed is not None
    assert claimed.run.run_id == run_id
    assert claimed.manifest.name == "xgb-signal"
    (source,) = claimed.inputs
    assert (source.dataset, source.version, source.role) == ("us-prices", 1, "prices")
    assert desk.services.datasets.read(source.manifest_sha256, None).height == 2


def test_every_word_of_the_executor_follows_the_submission(desk: WiredDesk, work: ServiceWork) -> None:
    run_id = desk.services.ids.run_id()
    command = SubmitRun(instance="spx-alpha", kind="training", run_id=run_id)
    desk.send(command, correlation_id=WORKFLOW, principal="p_ada")
    claim(work, run_id)
    work.log_metrics(LogMetrics(run_id=run_id, points=(MetricPoint(name="loss", step=1, value=0.5),)))
    work.complete(desk.completion(run_id))
    asked = submission(desk, run_id)
    said = [one for one in desk.since(asked.position) if one.actor.principal == "service:executor"]
    assert {"training_run.started", "training_run.metrics_logged", "training_run.completed"} <= {
        one.action for one in said
    }
    assert {one.correlation_id for one in said} == {WORKFLOW}
    assert {one.causation_id for one in said} == {asked.event_id}
    assert {one.actor.on_behalf_of for one in said} == {"p_ada"}


def test_a_failure_follows_the_submission_too(desk: WiredDesk, work: ServiceWork) -> None:
    run_id = desk.submit()
    claim(work, run_id)
    work.fail(FailRun(run_id=run_id, code="run.crashed", message="it crashed"))
    assert last(desk).causation_id == submission(desk, run_id).event_id
    with pytest.raises(RunAlreadyFinished):
        work.fail(FailRun(run_id=run_id, code="run.crashed", message="again"))


def test_a_claim_that_is_lost_is_no_work(desk: WiredDesk, work: ServiceWork) -> None:
    taken, cancelled = desk.start(desk.submit()), desk.submit()
    desk.send(CancelRun(run_id=cancelled))
    head = desk.log.head()
    assert claim(work, taken) is None
    assert claim(work, cancelled) is None
    assert desk.log.head() == head


def test_a_run_of_an_archived_instance_is_no_work(desk: WiredDesk, work: ServiceWork) -> None:
    bus, log = desk.interleaved()
    late: list[str] = []
    log.just_before_append(lambda: late.append(desk.submit()))
    desk.send(ArchiveInstance(name="spx-alpha"), bus=bus)
    assert claim(work, late[0]) is None


def test_a_run_whose_rows_were_purged_meanwhile_fails_with_the_reason(
    desk: WiredDesk, work: ServiceWork
) -> None:
    """Claimed and undescribable, it would run for ever."""
    run_id = desk.submit()
    desk.send(PurgeDatasetVersion(dataset="us-prices", number=1))
    assert claim(work, run_id) is None
    failed = last(desk)
    assert isinstance(failed.event, RunFailed)
    assert failed.event.code == "dataset.version_purged_already"
    assert failed.causation_id == submission(desk, run_id).event_id


def test_a_verdict_follows_the_submission_of_its_own_version(desk: WiredDesk, work: ServiceWork) -> None:
    for version in ("1.1.0", "1.2.0"):
        package = manifest(version=version, package_sha256=digest(f"package {version}"))
        desk.send(SubmitDefinition(package_sha256=desk.packages.add(package)), principal=f"p_{version[2]}")
    assert [one.manifest.version for one in work.unevaluated_definitions()] == ["1.1.0", "1.2.0"]
    work.record_evaluation(TENANT, verdict("1.1.0"))
    evaluated = last(desk)
    asked = next(one for one in desk.since(0) if one.resource_id == "xgb-signal@1.1.0")
    assert (evaluated.causation_id, evaluated.correlation_id) == (asked.event_id, asked.correlation_id)
    assert evaluated.actor.on_behalf_of == "p_1"
    assert [one.manifest.version for one in work.unevaluated_definitions()] == ["1.2.0"]


def test_a_run_without_another_principal_is_the_authors(desk: WiredDesk, work: ServiceWork) -> None:
    claim(work, desk.submit())
    assert last(desk).actor.on_behalf_of == AUTHOR
