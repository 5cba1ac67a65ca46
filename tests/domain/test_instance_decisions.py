"""Instances: created, updated, archived; their version numbers and their active version."""

from typing import Any

import pytest

from domain.model_instance import decider
from domain.model_instance.commands import CreateInstance, UpdateInstance
from domain.model_instance.errors import (
    InstanceClosed,
    InstanceConfigInvalid,
    InstanceDatasetsMissing,
    InstanceExists,
    InstanceNoActiveVersion,
    InstanceNoFormerVersion,
    InstanceScheduleInvalid,
    InstanceUnknown,
)
from domain.model_instance.events import (
    InstanceActiveVersionChanged,
    InstanceArchived,
    InstanceCreated,
    InstanceUpdated,
    InstanceVersionNumbered,
    SlotSkipped,
)
from domain.model_instance.specification import (
    Config,
    DatasetBinding,
    Limits,
    PromotionPolicy,
    Schedule,
    Specification,
)
from domain.point_in_time import PitDecisionTimeMalformed
from domain.shared.errors import ReferenceMalformed
from domain.shared.references import DefinitionRef
from tests.support.given_when_then import Given
from tests.support.valid import AUTHOR, NOW, OTHER_RUN, RUN, specification

NAME = "spx-alpha"
given = Given(decider.INITIAL, decider.evolve)
CREATED = InstanceCreated(name=NAME, specification=specification(), output_dataset="spx-alpha-predictions")
ARCHIVED = InstanceArchived(name=NAME)


def active(number: int | None, former: int | None) -> InstanceActiveVersionChanged:
    return InstanceActiveVersionChanged(name=NAME, active=number, former=former)


def numbered(number: int, run_id: str = RUN) -> InstanceVersionNumbered:
    return InstanceVersionNumbered(name=NAME, number=number, run_id=run_id)


def create(**changes: Any) -> Any:
    return lambda state: decider.create(state, NAME, specification(**changes), "spx-alpha-predictions")


def update(**changes: Any) -> Any:
    return lambda state: decider.update(
        state, NAME, decider.updated_specification(state, UpdateInstance(name=NAME, **changes))
    )


def archive(state: decider.State) -> Any:
    return decider.archive(state, NAME)


def number_version(state: decider.State) -> Any:
    return decider.number_version(state, NAME, OTHER_RUN)[1]


SKIPPED = SlotSkipped(name=NAME, kind="training", slot=NOW, cause="the former run still runs")


def skip_slot(state: decider.State) -> Any:
    return decider.skip_slot(state, SKIPPED)


def test_an_instance_is_created_under_a_free_name() -> None:
    given().when(create()).then(CREATED)
    given(CREATED).when(create()).refused(InstanceExists)
    given(CREATED, ARCHIVED).when(create()).refused(InstanceExists)


def test_an_update_names_what_changed_and_keeps_the_rest() -> None:
    wanted = specification(description="new", tags=("a", "b"))
    given(CREATED).when(update(description="new", tags=("b", "a", "b"))).then(
        InstanceUpdated(name=NAME, specification=wanted, changed=("description", "tags"))
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("training_datasets", (DatasetBinding(dataset="eu-prices", role="prices"),)),
        ("inference_datasets", ()),
        ("outcome_dataset", "us-outcomes"),
        ("config", Config(horizon=5)),
        ("schedules", (Schedule(kind="training", cron="0 6 * * 1"),)),
        ("limits", Limits(time_s=60)),
        ("owner", "p_second"),
        ("space", "official"),
        ("promotion_policy", PromotionPolicy(mode="automatic", metric="rank_ic", at_least=0.02)),
    ],
)
def test_every_field_can_be_updated_alone(field: str, value: Any) -> None:
    wanted = specification(**{field: value})
    given(CREATED).when(update(**{field: value})).then(
        InstanceUpdated(name=NAME, specification=wanted, changed=(field,))
    )


def test_an_update_moves_to_another_definition_version() -> None:
    wanted = specification(definition=DefinitionRef("xgb-signal", "1.1.0"))
    given(CREATED).when(update(definition="xgb-signal@1.1.0")).then(
        InstanceUpdated(name=NAME, specification=wanted, changed=("definition",))
    )
    given(CREATED).when(update(definition="xgb-signal")).refused(ReferenceMalformed)


def test_an_update_without_a_difference_changes_nothing() -> None:
    given(CREATED).when(update(description="")).then()
    given(CREATED).when(update()).then()


def test_every_field_of_the_specification_can_be_updated_by_command() -> None:
    fields = set(UpdateInstance.__struct_fields__) - {"name", "override"}
    assert fields == set(Specification.__struct_fields__)


def test_archiving_is_final_and_happens_once() -> None:
    given(CREATED).when(archive).then(ARCHIVED)
    given(CREATED, ARCHIVED).when(archive).then()


def test_archiving_retires_the_active_version() -> None:
    given(CREATED, numbered(1), active(1, None)).when(archive).then(active(None, 1), ARCHIVED)


@pytest.mark.parametrize("decide", [update(description="new"), skip_slot])
def test_an_archived_instance_stays_closed(decide: Any) -> None:
    given(CREATED, ARCHIVED).when(decide).refused(InstanceClosed)


@pytest.mark.parametrize("decide", [update(description="new"), archive, number_version, skip_slot])
def test_an_unknown_instance_refuses_everything(decide: Any) -> None:
    given().when(decide).refused(InstanceUnknown)


def test_version_numbers_run_from_one_without_a_hole() -> None:
    given(CREATED).when(number_version).then(numbered(1, OTHER_RUN))
    given(CREATED, numbered(1), numbered(2)).when(number_version).then(numbered(3, OTHER_RUN))


def test_an_archived_instance_still_numbers_what_its_running_runs_end_with() -> None:
    given(CREATED, numbered(1), ARCHIVED).when(number_version).then(numbered(2, OTHER_RUN))


def test_a_change_of_the_active_version_names_the_former_one() -> None:
    given(CREATED, active(1, None)).when(lambda s: decider.change_active(s, NAME, 2)).then(active(2, 1))


def test_without_a_production_version_there_is_nothing_to_infer_with() -> None:
    take = lambda s: (decider.active_version(s, NAME), ())[1]
    given(CREATED).when(take).refused(InstanceNoActiveVersion)
    given(CREATED, active(1, None), active(None, 1)).when(take).refused(InstanceNoActiveVersion)
    assert decider.active_version(given(CREATED, active(1, None)).state, NAME) == 1


def test_a_rollback_goes_to_the_former_production_version() -> None:
    back = lambda s: (decider.rollback_target(s, NAME), ())[1]
    given(CREATED).when(back).refused(InstanceNoFormerVersion)
    given(CREATED, active(1, None)).when(back).refused(InstanceNoFormerVersion)
    assert decider.rollback_target(given(CREATED, active(1, None), active(2, 1)).state, NAME) == 1


def test_after_a_retirement_the_former_version_is_the_retired_one() -> None:
    history = given(CREATED, active(1, None), active(2, 1), active(None, 2))
    assert decider.rollback_target(history.state, NAME) == 2
    again = given(CREATED, active(1, None), active(2, 1), active(None, 2), active(3, None))
    assert decider.rollback_target(again.state, NAME) == 2


def test_a_skipped_slot_is_recorded() -> None:
    given(CREATED).when(skip_slot).then(SKIPPED)


def test_two_datasets_cannot_have_one_role() -> None:
    twice = (DatasetBinding(dataset="a1", role="prices"), DatasetBinding(dataset="prices"))
    given().when(create(training_datasets=twice)).refused(InstanceDatasetsMissing, "prices")
    given().when(create(inference_datasets=twice)).refused(InstanceDatasetsMissing)
    given(CREATED).when(update(inference_datasets=twice)).refused(InstanceDatasetsMissing)


@pytest.mark.parametrize("policy", [{"metric": "rank_ic"}, {"at_least": 0.1}, {}])
def test_an_automatic_promotion_needs_a_metric_and_a_threshold(policy: Any) -> None:
    automatic = PromotionPolicy(mode="automatic", **policy)
    given().when(create(promotion_policy=automatic)).refused(InstanceConfigInvalid, "automatic")


@pytest.mark.parametrize("when", [{}, {"cron": "0 6 * * 1", "after_dataset": "us-prices"}])
def test_a_schedule_has_a_cron_line_or_a_dataset_and_not_both(when: Any) -> None:
    schedules = (Schedule(kind="inference", **when),)
    given().when(create(schedules=schedules)).refused(InstanceScheduleInvalid, "inference")


def test_a_schedule_is_there_once() -> None:
    twice = (Schedule(kind="training", cron="0 6 * * 1"), Schedule(kind="training", cron="0 6 * * 1"))
    given().when(create(schedules=twice)).refused(InstanceScheduleInvalid, "twice")


def test_a_decision_times_zone_must_exist() -> None:
    config = Config(decision_time="16:30 Mars/Olympus")
    given().when(create(config=config)).refused(PitDecisionTimeMalformed, "Mars/Olympus")


def test_a_create_command_fills_in_its_defaults() -> None:
    bound = (DatasetBinding(dataset="us-prices", role="prices"),)
    command = CreateInstance(name=NAME, definition="xgb-signal@1.0.0", training_datasets=bound)
    assert command.specification(AUTHOR) == specification()
