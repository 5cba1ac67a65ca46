"""Rule 19, no write skew: what a decision relied on is checked in the append that records it."""

from collections.abc import Callable
from typing import Any

import pytest

from domain.dataset.commands import PurgeDatasetVersion, WriteDatasetVersion
from domain.dataset.errors import DatasetExists, DatasetNeededByProduction, DatasetVersionPurgedAlready
from domain.dataset.events import DatasetVersionWritten
from domain.guardrails.contracts import Contract
from domain.ml_module_def.commands import DeprecateDefinition
from domain.ml_module_def.errors import DefinitionVersionDeprecated
from domain.model_instance.commands import ArchiveInstance, UpdateInstance
from domain.model_instance.errors import InstanceClosed, InstanceNoActiveVersion
from domain.model_version.commands import (
    ArchiveVersion,
    PromoteVersion,
    PurgeVersionArtifact,
    RollbackVersion,
    StageVersion,
)
from domain.model_version.errors import (
    VersionAlreadyInProduction,
    VersionInProduction,
    VersionNotStaged,
    VersionPurgedAlready,
)
from domain.run.commands import CancelRun, CompleteRun, LogMetrics, StartRun, SubmitRun
from domain.run.errors import RunAlreadyClaimed, RunAlreadyFinished
from domain.run.pins import MetricPoint
from domain.shared.command import Command
from domain.shared.errors import RuleBroken
from tests.support.desk import GOOD_RANK_IC, Desk, created, predictions, prices
from tests.support.valid import NOW

NAME = "spx-alpha"
ARCHIVE = ArchiveInstance(name=NAME)
DEPRECATE = DeprecateDefinition(name="xgb-signal", version="1.0.0")
POINTS = (MetricPoint(name="loss", step=1, value=0.5),)


def overtaken(desk: Desk, late: Command, *, by: Command, then: type[RuleBroken]) -> None:
    """`late` decides, `by` is recorded first, `late` decides again and is refused: it left no event."""
    bus, log = desk.interleaved()
    heads: list[int] = []

    def first() -> None:
        desk.send(by)
        heads.append(desk.log.head())

    log.just_before_append(first)
    with pytest.raises(then) as caught:
        desk.send(late, bus=bus)
    assert type(caught.value) is then
    assert (log.appends, desk.log.head()) == (1, heads[0])


def test_an_instance_is_not_created_on_a_definition_that_was_just_deprecated(desk: Desk) -> None:
    desk.define()
    desk.dataset()
    overtaken(desk, created(), by=DEPRECATE, then=DefinitionVersionDeprecated)


def test_an_instance_does_not_move_onto_a_definition_that_was_just_deprecated(desk: Desk) -> None:
    desk.ready()
    desk.define(version="2.0.0")
    desk.instance("newer", definition="xgb-signal@2.0.0")
    move = UpdateInstance(name="newer", definition="xgb-signal@1.0.0")
    overtaken(desk, move, by=DEPRECATE, then=DefinitionVersionDeprecated)


def test_an_instance_does_not_take_a_dataset_name_that_was_just_taken(desk: Desk) -> None:
    desk.ready()
    late = created("late", output_dataset="shared")
    overtaken(desk, late, by=created("early", output_dataset="shared"), then=DatasetExists)


def a_training(_: Desk) -> Command:
    return SubmitRun(instance=NAME, kind="training")


def an_update(_: Desk) -> Command:
    return UpdateInstance(name=NAME, description="new")


def a_staging(desk: Desk) -> Command:
    desk.train(rank_ic=0.0)
    return StageVersion(instance=NAME, number=1)


def a_promotion(desk: Desk) -> Command:
    desk.train()
    return PromoteVersion(instance=NAME, number=1)


def a_rollback(desk: Desk) -> Command:
    desk.promoted()
    desk.promoted()
    return RollbackVersion(instance=NAME)


@pytest.mark.parametrize("late", [a_training, an_update, a_staging, a_promotion, a_rollback])
def test_nothing_happens_to_an_instance_that_was_just_archived(
    desk: Desk, late: Callable[[Desk], Command]
) -> None:
    desk.ready(GOOD_RANK_IC)
    overtaken(desk, late(desk), by=ARCHIVE, then=InstanceClosed)


def test_a_run_does_not_start_once_it_was_cancelled_or_claimed(desk: Desk) -> None:
    desk.ready()
    first, second = desk.submit(), desk.submit()
    start = StartRun(run_id=first, worker="w1")
    overtaken(desk, start, by=CancelRun(run_id=first), then=RunAlreadyFinished)
    twin = StartRun(run_id=second, worker="w2")
    overtaken(desk, StartRun(run_id=second, worker="w1"), by=twin, then=RunAlreadyClaimed)


def test_a_pending_run_of_an_instance_that_is_just_archived_does_not_start(desk: Desk) -> None:
    desk.ready()
    start = StartRun(run_id=desk.submit(), worker="w1")
    overtaken(desk, start, by=ARCHIVE, then=RunAlreadyFinished)


@pytest.mark.parametrize("kind", ["training", "inference"])
def test_a_run_does_not_complete_once_it_was_cancelled(desk: Desk, kind: Any) -> None:
    desk.ready()
    desk.promoted()
    run_id = desk.start(desk.submit(kind))
    rows = CompleteRun(run_id=run_id, output_sha256=desk.blob(predictions(NOW)))
    late = rows if kind == "inference" else desk.completion(run_id)
    overtaken(desk, late, by=CancelRun(run_id=run_id), then=RunAlreadyFinished)


def test_metrics_are_not_logged_once_the_run_is_over(desk: Desk) -> None:
    desk.ready()
    run_id = desk.start(desk.submit())
    late = LogMetrics(run_id=run_id, points=POINTS)
    overtaken(desk, late, by=CancelRun(run_id=run_id), then=RunAlreadyFinished)


def test_a_run_does_not_pin_data_that_was_just_purged(desk: Desk) -> None:
    desk.ready()
    purge = PurgeDatasetVersion(dataset="us-prices", number=1)
    overtaken(desk, a_training(desk), by=purge, then=DatasetVersionPurgedAlready)


def test_a_run_does_not_pin_a_model_that_just_retired_or_whose_file_just_went(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    infer = SubmitRun(instance=NAME, kind="inference")
    retire = ArchiveVersion(instance=NAME, number=1)
    overtaken(desk, infer, by=retire, then=InstanceNoActiveVersion)
    named = SubmitRun(instance=NAME, kind="inference", model_version=1)
    purge = PurgeVersionArtifact(instance=NAME, number=1)
    overtaken(desk, named, by=purge, then=VersionPurgedAlready)


def test_a_version_is_not_promoted_once_it_was_archived_or_purged(desk: Desk) -> None:
    desk.ready()
    desk.train()
    promote = PromoteVersion(instance=NAME, number=1)
    purge = PurgeVersionArtifact(instance=NAME, number=1)
    overtaken(desk, promote, by=purge, then=VersionPurgedAlready)
    desk.train()
    second = PromoteVersion(instance=NAME, number=2)
    overtaken(desk, second, by=ArchiveVersion(instance=NAME, number=2), then=VersionNotStaged)


def test_an_artifact_is_not_purged_once_it_is_in_production(desk: Desk) -> None:
    desk.ready()
    desk.train()
    promote = PromoteVersion(instance=NAME, number=1)
    overtaken(desk, PurgeVersionArtifact(instance=NAME, number=1), by=promote, then=VersionInProduction)


def test_two_promotions_at_once_both_hold_one_after_the_other(desk: Desk) -> None:
    desk.ready()
    desk.train()
    desk.train()
    bus, log = desk.interleaved()
    log.just_before_append(lambda: desk.send(PromoteVersion(instance=NAME, number=2)))
    desk.send(PromoteVersion(instance=NAME, number=1), bus=bus)
    assert log.appends == 2
    assert (desk.instance_state().active, desk.instance_state().former) == (1, 2)
    assert [desk.version_state(number).stage for number in (1, 2)] == ["production", "archived"]


def test_two_default_rollbacks_at_once_do_not_both_reach_the_same_version(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    desk.promoted()
    bus, log = desk.interleaved()
    log.just_before_append(lambda: desk.send(RollbackVersion(instance=NAME)))
    desk.send(RollbackVersion(instance=NAME), bus=bus)
    assert (desk.instance_state().active, desk.instance_state().former) == (2, 1)


def test_a_rollback_to_a_version_that_just_came_back_is_refused(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    desk.promoted()
    named = RollbackVersion(instance=NAME, number=1)
    bus, log = desk.interleaved()
    log.just_before_append(lambda: desk.send(named))
    with pytest.raises(VersionAlreadyInProduction):
        desk.send(named, bus=bus)


def test_two_trainings_that_complete_at_once_get_two_numbers(desk: Desk) -> None:
    desk.ready()
    first, second = (desk.start(desk.submit()) for _ in range(2))
    early, late = desk.completion(first), desk.completion(second)
    bus, log = desk.interleaved()
    log.just_before_append(lambda: desk.send(early))
    desk.send(late, bus=bus)
    assert log.appends == 2
    assert [desk.run_state(one).status for one in (first, second)] == ["completed", "completed"]
    registered = [desk.version_state(number).registered for number in (1, 2)]
    assert [one.run_id for one in registered if one] == [first, second]


def test_two_uploads_at_once_make_two_versions_that_build_on_each_other(desk: Desk) -> None:
    desk.dataset()
    bus, log = desk.interleaved()
    log.just_before_append(lambda: desk.upload(prices(1, first=5)))
    desk.send(_upload(desk), bus=bus)
    (second,) = desk.last()
    assert isinstance(second, DatasetVersionWritten)
    assert (second.number, second.parent, second.facts.total_rows) == (3, 2, 4)


def _upload(desk: Desk) -> Command:
    return WriteDatasetVersion(dataset="us-prices", blob_sha256=desk.blob(prices(1, first=6)))


def test_predictions_are_judged_by_the_space_in_which_they_are_registered(desk: Desk) -> None:
    bounded = Contract(kind="signal.bounds", config={"column": "signal"})
    desk.ready(bounded)
    desk.promoted()
    run_id = desk.start(desk.submit("inference"))
    bus, log = desk.interleaved()
    log.just_before_append(lambda: desk.send(UpdateInstance(name=NAME, space="official")))
    desk.send(CompleteRun(run_id=run_id, output_sha256=desk.blob(predictions(NOW))), bus=bus)
    assert log.appends == 2
    assert desk.run_state(run_id).status == "failed"


def test_data_is_not_purged_once_production_needs_it(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    desk.send(ArchiveVersion(instance=NAME, number=1))
    purge = PurgeDatasetVersion(dataset="us-prices", number=1)
    assert desk.send(purge, dry_run=True).kind == "unchanged"
    desk.send(RollbackVersion(instance=NAME))
    desk.refused(DatasetNeededByProduction, purge)
