"""Rules 6, 9, 10, 18 and 22: what follows from an event, once, and never from an old one."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from application.errors import ArtifactPurged, DatasetPurged
from application.policies import POLICIES
from application.policies.runner import PolicyRunner
from domain.dataset.commands import CreateDataset, PurgeDatasetVersion, RegisterDatasetVersion
from domain.dataset.events import (
    DatasetVersionRejected,
    DatasetVersionVerified,
    DatasetVersionWritten,
    LocatedFile,
    Producer,
)
from domain.model_instance.commands import ArchiveInstance
from domain.model_instance.specification import PromotionPolicy
from domain.model_version.commands import PurgeVersionArtifact
from domain.run.commands import CancelRun
from domain.shared.activity import RecordedEvent
from tests.support.desk import GOOD_RANK_IC, Desk, prices
from tests.support.valid import NOW, declaration

AUTOMATIC = PromotionPolicy(mode="automatic", metric="rank_ic", at_least=0.02)


class InMemoryProgress:
    """Progress of one process."""

    def __init__(self, position: int | None = None) -> None:
        self.position = position

    def load(self) -> int | None:
        return self.position

    def save(self, position: int) -> None:
        self.position = position


class Follower:
    """The runner without its thread: acts on what was recorded, page by page, until nothing follows."""

    def __init__(self, desk: Desk) -> None:
        self.runner = PolicyRunner(POLICIES, desk.policies(), InMemoryProgress())
        self.desk = desk
        self.position = desk.log.head()

    def catch_up(self) -> list[RecordedEvent]:
        """Everything that followed."""
        start = self.desk.log.head()
        while page := self.desk.since(self.position):
            for recorded in page:
                self.runner.act(recorded)
            self.position = page[-1].position
        return list(self.desk.since(start))


@pytest.fixture
def follower(desk: Desk) -> Follower:
    return Follower(desk)


def test_a_version_that_reaches_the_threshold_is_promoted_by_policy_and_recorded_as_such(
    desk: Desk, follower: Follower
) -> None:
    desk.ready(GOOD_RANK_IC, promotion_policy=AUTOMATIC)
    desk.train(rank_ic=0.05)
    followed = follower.catch_up()
    assert desk.instance_state().active == 1
    registered = next(one for one in desk.since(0) if one.action == "model_version.registered")
    (promoted,) = [one for one in followed if one.action == "model_version.promoted"]
    assert (promoted.actor.principal, promoted.actor.on_behalf_of) == ("policy:promotion", "p_author")
    assert (promoted.causation_id, promoted.correlation_id) == (
        registered.event_id,
        registered.correlation_id,
    )
    assert promoted.reason == "promotion policy: rank_ic 0.05 >= 0.02"


@pytest.mark.parametrize(
    ("policy", "training"),
    [
        (AUTOMATIC, {"rank_ic": 0.019}),
        (AUTOMATIC, {"rank_ic": 0.5, "refit": True}),
        (PromotionPolicy(), {"rank_ic": 0.5}),
        (PromotionPolicy(mode="automatic", metric="sharpe", at_least=0.0), {"rank_ic": 0.5}),
        (PromotionPolicy(mode="automatic", metric="rank_ic", at_least=0.0), {"rank_ic": 0.005}),
    ],
    ids=["below", "refit", "manual", "no metric", "gate failed"],
)
def test_a_policy_promotes_nothing_else(
    desk: Desk, follower: Follower, policy: PromotionPolicy, training: dict[str, Any]
) -> None:
    desk.ready(GOOD_RANK_IC, promotion_policy=policy)
    desk.train(**training)
    assert follower.catch_up() == []
    assert desk.instance_state().active is None


def test_acting_twice_on_one_event_has_one_effect(desk: Desk, follower: Follower) -> None:
    desk.ready(promotion_policy=AUTOMATIC)
    desk.train(rank_ic=0.05)
    follower.catch_up()
    head = desk.log.head()
    follower.position = 0
    assert follower.catch_up() == []
    assert desk.log.head() == head


def test_what_a_person_did_first_is_not_undone_by_a_policy(desk: Desk, follower: Follower) -> None:
    desk.ready(promotion_policy=AUTOMATIC)
    desk.train(rank_ic=0.05)
    desk.send(ArchiveInstance(name="spx-alpha"))
    follower.catch_up()
    assert desk.instance_state().active is None


def test_pending_runs_that_the_archiving_left_are_cancelled_by_policy(desk: Desk, follower: Follower) -> None:
    desk.ready()
    for _ in range(203):
        desk.submit()
    desk.send(ArchiveInstance(name="spx-alpha"))
    followed = follower.catch_up()
    assert [one.action for one in followed] == ["training_run.cancelled"] * 3
    assert desk.services.lookups.pending_runs("desk", "spx-alpha", desk.log.head()) == []


def test_a_cancelled_runs_process_is_killed_and_a_submission_wakes_the_executor(
    desk: Desk, follower: Follower
) -> None:
    desk.ready()
    run_id = desk.start(desk.submit())
    desk.send(CancelRun(run_id=run_id))
    follower.catch_up()
    assert desk.executor.killed == [run_id]
    assert desk.executor.woken == 2  # the definition and the run


def test_a_purge_deletes_the_bytes_after_it_was_recorded(desk: Desk, follower: Follower) -> None:
    desk.ready()
    desk.train()
    registered = desk.version_state(1).registered
    written = next(one.event for one in desk.since(0) if isinstance(one.event, DatasetVersionWritten))
    assert registered is not None
    desk.send(PurgeVersionArtifact(instance="spx-alpha", number=1))
    desk.send(PurgeDatasetVersion(dataset="us-prices", number=1))
    assert desk.services.artifacts.get(registered.artifact_sha256)
    follower.catch_up()
    with pytest.raises(ArtifactPurged):
        desk.services.artifacts.get(registered.artifact_sha256)
    with pytest.raises(DatasetPurged):
        desk.services.datasets.read(written.facts.manifest_sha256, None)
    follower.position = 0
    follower.catch_up()


@pytest.mark.parametrize(
    ("claim", "verdict"), [(True, DatasetVersionVerified), (False, DatasetVersionRejected)]
)
def test_bytes_made_elsewhere_are_checked_before_anybody_reads_them(
    desk: Desk, follower: Follower, tmp_path: Path, claim: bool, verdict: type[Any]
) -> None:
    prices(2).write_parquet(tmp_path / "made.parquet")
    truth = sha256((tmp_path / "made.parquet").read_bytes()).hexdigest()
    announced = LocatedFile(location="lake", key="made.parquet", sha256=truth if claim else "0" * 64, rows=2)
    desk.send(CreateDataset(name="us-prices", declaration=declaration()))
    desk.send(
        RegisterDatasetVersion(
            dataset="us-prices",
            files=(announced,),
            knowledge_first=NOW - timedelta(days=30),
            knowledge_last=NOW,
            producer=Producer(service="lake"),
        )
    )
    (decided,) = follower.catch_up()
    assert isinstance(decided.event, verdict)
    assert decided.actor.principal == "policy:verification"


def test_policies_begin_at_the_head_of_a_log_that_is_new_to_them(desk: Desk) -> None:
    desk.ready(promotion_policy=AUTOMATIC)
    desk.train(rank_ic=0.05)
    progress = InMemoryProgress()
    runner = PolicyRunner(POLICIES, desk.policies(), progress)
    runner.start()
    runner.stop()
    assert progress.position == desk.log.head()
    assert desk.instance_state().active is None
