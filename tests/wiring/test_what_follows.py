"""Policies through the real log, bus, views, stores and runner: what happens by itself, and as whose act."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from application.errors import ArtifactPurged, DatasetPurged
from domain.dataset import decider as datasets
from domain.dataset.commands import CreateDataset, PurgeDatasetVersion, RegisterDatasetVersion
from domain.dataset.errors import (
    DatasetNeededByProduction,
    DatasetVersionNotReadable,
    DatasetVersionPurgedAlready,
)
from domain.dataset.events import DatasetVersionRejected, LocatedFile, Producer
from domain.guardrails.contracts import Contract
from domain.guardrails.events import GuardrailEvaluated
from domain.model_instance.commands import ArchiveInstance, UpdateInstance
from domain.model_instance.specification import PromotionPolicy
from domain.model_version.commands import ArchiveVersion, PromoteVersion, PurgeVersionArtifact
from domain.model_version.errors import VersionInProduction
from domain.run.commands import CancelRun, CompleteRun
from domain.run.pins import Artifact
from domain.shared.activity import RecordedEvent
from domain.shared.errors import ReasonMissing
from tests.support.desk import GOOD_RANK_IC, TENANT, prices
from tests.support.valid import AUTHOR, NOW, declaration
from tests.wiring.wired_desk import WiredDesk

AUTOMATIC = PromotionPolicy(mode="automatic", metric="rank_ic", at_least=0.02)


def only(desk: WiredDesk, action: str) -> RecordedEvent:
    (found,) = [one for one in desk.since(0) if one.action == action]
    return found


def actions(desk: WiredDesk) -> list[str]:
    return [one.action for one in desk.since(0)]


# --- promotion


def test_a_promotion_by_policy_names_policy_principal_cause_and_workflow(desk: WiredDesk) -> None:
    desk.ready(promotion_policy=AUTOMATIC)
    with desk.followed():
        desk.train(rank_ic=0.021)
        desk.until(lambda: desk.instance_state().active == 1, "the version is in production")
    registered, promoted = only(desk, "model_version.registered"), only(desk, "model_version.promoted")
    assert (promoted.actor.principal, promoted.actor.method) == ("policy:promotion", "service")
    assert promoted.actor.on_behalf_of == AUTHOR
    assert promoted.causation_id == registered.event_id
    assert promoted.correlation_id == registered.correlation_id
    assert promoted.reason == "promotion policy: rank_ic 0.021 >= 0.02"
    desk.seen()
    shown = desk.queries.version(TENANT, "spx-alpha", 1)
    assert shown is not None
    assert shown.stage == "production"


def test_the_second_promotion_by_policy_archives_the_first_version(desk: WiredDesk) -> None:
    desk.ready(promotion_policy=AUTOMATIC)
    with desk.followed():
        for number in (1, 2):
            desk.train(rank_ic=0.02 + number / 100)
            desk.until(lambda n=number: desk.instance_state().active == n, f"version {number} serves")
    assert [desk.version_state(number).stage for number in (1, 2)] == ["archived", "production"]


def test_a_version_below_the_threshold_a_refit_and_one_without_a_stage_stay_where_they_are(
    desk: WiredDesk,
) -> None:
    desk.ready(GOOD_RANK_IC, promotion_policy=PromotionPolicy(mode="automatic", metric="rank_ic", at_least=0))
    with desk.followed() as runner:
        desk.train(rank_ic=0.005)
        desk.train(rank_ic=0.5, refit=True)
        desk.train(rank_ic=-1.0)
        runner.stop()
        desk.clock.move(timedelta(seconds=1))
    with desk.followed():
        desk.train(rank_ic=0.5)
        desk.until(lambda: desk.instance_state().active == 4, "the good one serves")
    assert [desk.version_state(number).stage for number in (1, 2, 3)] == ["none", "staging", "none"]
    assert actions(desk).count("model_version.promoted") == 1


def test_acting_again_on_one_event_promotes_once(desk: WiredDesk) -> None:
    desk.ready(promotion_policy=AUTOMATIC)
    desk.train(rank_ic=0.5)
    registered = only(desk, "model_version.registered")
    for _ in range(2):
        assert desk.runner().act(registered)
    assert actions(desk).count("model_version.promoted") == 1


def test_a_version_made_elsewhere_is_not_promoted_once_its_instance_is_official(desk: WiredDesk) -> None:
    """The gate of `official` says no, and the policy takes that as the answer."""
    desk.ready(promotion_policy=AUTOMATIC)
    desk.train(rank_ic=0.5, executor="external")
    desk.send(UpdateInstance(name="spx-alpha", space="official"))
    head = desk.log.head()
    assert desk.runner().act(only(desk, "model_version.registered"))
    assert desk.log.head() == head
    assert desk.version_state(1).stage == "staging"


def test_a_contract_that_only_warns_lets_the_policy_promote_and_leaves_its_report(desk: WiredDesk) -> None:
    warns = Contract(kind="model.performance", config={"metric": "rank_ic", "at_least": 0.9}, enforce="warn")
    desk.ready(warns, promotion_policy=AUTOMATIC)
    desk.train(rank_ic=0.5)
    assert desk.runner().act(only(desk, "model_version.registered"))
    promoted = only(desk, "model_version.promoted")
    (report,) = [
        one
        for one in desk.since(0)
        if one.command_id == promoted.command_id and isinstance(one.event, GuardrailEvaluated)
    ]
    assert isinstance(report.event, GuardrailEvaluated)
    assert report.event.report.enforced_as == "warned"


# --- archiving


def test_archiving_cancels_what_is_pending_in_its_own_append(desk: WiredDesk) -> None:
    desk.ready()
    running, pending = desk.start(desk.submit()), [desk.submit(), desk.submit()]
    with desk.followed():
        desk.send(ArchiveInstance(name="spx-alpha"))
        own = desk.of_last_command()
    assert [event.action() for event in own] == ["model_instance.archived"] + ["training_run.cancelled"] * 2
    assert {event.resource()[1] for event in own[1:]} == set(pending)
    assert desk.run_state(running).status == "running"
    assert actions(desk).count("training_run.cancelled") == 2


@pytest.mark.parametrize("first", ["model_instance.archived", "training_run.submitted"])
def test_a_run_that_slipped_in_beside_the_archiving_is_cancelled_whichever_event_comes_first(
    desk: WiredDesk, first: str
) -> None:
    """Submitted between the archiving's decision and its append; both events lead to the one cancellation."""
    desk.ready()
    bus, log = desk.interleaved()
    late: list[str] = []
    log.just_before_append(lambda: late.append(desk.submit()))
    desk.send(ArchiveInstance(name="spx-alpha"), bus=bus)
    assert desk.run_state(late[0]).status == "pending"
    causes = [only(desk, "model_instance.archived"), only(desk, "training_run.submitted")]
    for cause in sorted(causes, key=lambda one: one.action != first):
        assert desk.runner().act(cause)
    cancelled = only(desk, "training_run.cancelled")
    assert cancelled.actor.principal == "policy:archiving"
    assert cancelled.reason == "its instance was archived"
    assert cancelled.causation_id == only(desk, first).event_id
    assert cancelled.correlation_id == only(desk, first).correlation_id


def test_a_cancelled_run_is_killed_and_killing_it_again_records_nothing(
    desk: WiredDesk,
) -> None:
    desk.ready()
    run_id = desk.start(desk.submit())
    with desk.followed():
        desk.send(CancelRun(run_id=run_id))
        desk.until(lambda: desk.executor.killed == [run_id], "its process is killed")
    cancelled, head = only(desk, "training_run.cancelled"), desk.log.head()
    assert desk.runner().act(cancelled)
    assert desk.log.head() == head


def test_a_submission_wakes_the_executor(desk: WiredDesk) -> None:
    with desk.followed():
        desk.ready()
        desk.until(lambda: desk.executor.woken == 1, "the definition is evaluated")
        desk.submit()
        desk.until(lambda: desk.executor.woken == 2, "the run is begun")


# --- verification of what was made elsewhere


def announce(desk: WiredDesk, path: Path, **changes: object) -> None:
    """Register version 1 of `us-prices` with one file of the lake."""
    named = {"location": "lake", "key": path.name, "sha256": sha256(path.read_bytes()).hexdigest(), "rows": 2}
    desk.send(CreateDataset(name="us-prices", declaration=declaration()))
    desk.send(
        RegisterDatasetVersion(
            dataset="us-prices",
            files=(LocatedFile(**{**named, **changes}),),  # type: ignore[arg-type]
            knowledge_first=NOW - timedelta(days=30),
            knowledge_last=NOW,
            producer=Producer(service="lake", run="job-7"),
        )
    )


def made(desk: WiredDesk, days: int = 2) -> Path:
    path = desk.folder / "made.parquet"
    prices(days).write_parquet(path)
    return path


def dataset(desk: WiredDesk) -> datasets.State:
    return desk.log.load(TENANT, datasets.stream("us-prices"), datasets.INITIAL, datasets.evolve).state


def test_rows_made_elsewhere_are_read_only_after_they_were_verified(desk: WiredDesk) -> None:
    announce(desk, made(desk))
    with pytest.raises(DatasetVersionNotReadable):
        datasets.readable(dataset(desk), "us-prices", 1)
    assert desk.runner().act(only(desk, "dataset_version.registered"))
    facts = datasets.readable(dataset(desk), "us-prices", 1)
    assert desk.services.datasets.read(facts.manifest_sha256, None).height == 2
    verified = only(desk, "dataset_version.verified")
    assert verified.actor.principal == "policy:verification"
    assert verified.causation_id == only(desk, "dataset_version.registered").event_id


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sha256": "0" * 64}, "dataset.hash_mismatch"),
        ({"rows": 3}, "dataset.rows_differ"),
        ({"key": "../made.parquet"}, "dataset.key_forbidden"),
        ({"key": "gone.parquet"}, "dataset.file_missing"),
        ({"location": "elsewhere"}, "dataset.location_unknown"),
    ],
)
def test_a_file_that_is_not_what_was_announced_is_rejected_with_the_reason(
    desk: WiredDesk, changes: dict[str, object], code: str
) -> None:
    announce(desk, made(desk), **changes)
    with desk.followed():
        pass
    assert desk.runner().act(only(desk, "dataset_version.registered"))
    event = only(desk, "dataset_version.rejected").event
    assert isinstance(event, DatasetVersionRejected)
    assert event.code == code
    assert len(event.detail) > 10
    desk.upload(prices(2))
    assert datasets.readable(dataset(desk), "us-prices", 2).rows == 2


def test_a_link_that_leads_out_of_the_location_is_not_followed(desk: WiredDesk, tmp_path_factory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "made.parquet"
    prices(2).write_parquet(outside)
    (desk.folder / "link.parquet").symlink_to(outside)
    announce(desk, desk.folder / "link.parquet")
    desk.runner().act(only(desk, "dataset_version.registered"))
    event = only(desk, "dataset_version.rejected").event
    assert isinstance(event, DatasetVersionRejected)
    assert event.code == "dataset.key_forbidden"


@pytest.mark.parametrize("content", [b"", b"no parquet at all", b"PAR1" + bytes(64) + b"PAR1"])
def test_bytes_that_are_no_rows_are_rejected_though_their_hash_is_right(
    desk: WiredDesk, content: bytes
) -> None:
    path = desk.folder / "made.parquet"
    path.write_bytes(content)
    announce(desk, path)
    desk.runner().act(only(desk, "dataset_version.registered"))
    event = only(desk, "dataset_version.rejected").event
    assert isinstance(event, DatasetVersionRejected)
    assert event.code.startswith("dataset.")


# --- purges


def test_a_purged_dataset_version_keeps_its_manifest_and_answers_gone(desk: WiredDesk) -> None:
    desk.ready()
    facts = datasets.readable(dataset(desk), "us-prices", 1)
    with desk.followed():
        desk.refused(ReasonMissing, PurgeDatasetVersion(dataset="us-prices", number=1), reason=None)
        desk.send(PurgeDatasetVersion(dataset="us-prices", number=1), reason="the licence ended")
        desk.until(lambda: has_no_rows(desk, facts.manifest_sha256), "the bytes are gone")
    assert only(desk, "dataset_version.purged").reason == "the licence ended"
    assert dataset(desk).versions[0].facts == facts
    with pytest.raises(DatasetVersionPurgedAlready):
        datasets.readable(dataset(desk), "us-prices", 1)


def has_no_rows(desk: WiredDesk, manifest_sha256: str) -> bool:
    try:
        desk.services.datasets.read(manifest_sha256, None)
    except DatasetPurged:
        return True
    return False


def test_rows_that_production_was_trained_on_are_purged_only_by_force_with_a_reason(desk: WiredDesk) -> None:
    desk.ready()
    desk.promoted()
    command = PurgeDatasetVersion(dataset="us-prices", number=1)
    refusal = desk.refused(DatasetNeededByProduction, command)
    assert refusal.facts["versions"] == ["spx-alpha@1"]
    forced = PurgeDatasetVersion(dataset="us-prices", number=1, force=True)
    desk.refused(ReasonMissing, forced, reason=" ")
    desk.send(forced, reason="the law")
    event = only(desk, "dataset_version.purged")
    assert event.event is not None
    assert event.event.forced  # type: ignore[attr-defined]
    desk.runner().act(event)
    assert has_no_rows(desk, datasets.existing(dataset(desk), "us-prices") and facts_of(desk))


def facts_of(desk: WiredDesk) -> str:
    facts = dataset(desk).versions[0].facts
    assert facts is not None
    return facts.manifest_sha256


def test_an_artifact_in_production_is_purged_only_by_force_and_another_without(desk: WiredDesk) -> None:
    desk.ready()
    desk.promoted()
    desk.promoted()
    desk.refused(VersionInProduction, PurgeVersionArtifact(instance="spx-alpha", number=2))
    with desk.followed():
        desk.send(PurgeVersionArtifact(instance="spx-alpha", number=1), reason="space")
        desk.until(lambda: is_gone(desk, 1), "the bytes are gone")
    assert not is_gone(desk, 2)
    desk.send(PurgeVersionArtifact(instance="spx-alpha", number=2, force=True), reason="the law")
    desk.runner().act(desk.since(desk.log.head() - 1)[0])
    assert is_gone(desk, 2)
    registered = desk.version_state(2).registered
    assert registered is not None
    assert len(registered.artifact_sha256) == 64


def is_gone(desk: WiredDesk, number: int) -> bool:
    registered = desk.version_state(number).registered
    assert registered is not None
    try:
        desk.services.artifacts.get(registered.artifact_sha256)
    except ArtifactPurged:
        return True
    return False


def test_an_archived_version_with_the_artifact_of_production_keeps_it_unless_forced(desk: WiredDesk) -> None:
    """Two trainings on the same data give the same bytes, stored once."""
    desk.ready()
    same = Artifact(sha256=desk.services.artifacts.put(b"the same model"), size_bytes=14, format="skops")
    for _ in (1, 2):
        run_id = desk.start(desk.submit())
        desk.send(CompleteRun(run_id=run_id, metrics={"rank_ic": 0.1}, artifact=same))
    desk.send(PromoteVersion(instance="spx-alpha", number=2))
    desk.send(ArchiveVersion(instance="spx-alpha", number=1))
    desk.refused(VersionInProduction, PurgeVersionArtifact(instance="spx-alpha", number=1))
    desk.send(ArchiveVersion(instance="spx-alpha", number=2))
    desk.send(PurgeVersionArtifact(instance="spx-alpha", number=1))
    desk.runner().act(desk.since(desk.log.head() - 1)[0])
    assert is_gone(desk, 1)
