"""The bus: one effect and one outcome a command id, whatever is repeated, raced or stale."""

from typing import Any

import msgspec
import pytest

from application.bus import Bus, stream_of
from application.context import Context
from application.handlers import HANDLERS
from application.ports import Outcome
from domain.catalogue import COMMANDS
from domain.dataset.commands import CompactDataset, CreateDataset
from domain.dataset.errors import DatasetExists, DatasetUnknown
from domain.guardrails.errors import GuardrailBlocked
from domain.guardrails.events import GuardrailEvaluated
from domain.ml_module_def.commands import DeprecateDefinition, PublishDefinition
from domain.model_instance.commands import ArchiveInstance, UpdateInstance
from domain.model_instance.errors import InstanceUnknown
from domain.model_version.commands import AnnotateVersion, PromoteVersion, StageVersion
from domain.model_version.errors import VersionUnknown
from domain.run.commands import CancelRun
from domain.run.errors import RunUnknown
from domain.shared.activity import StreamKey
from domain.shared.errors import (
    CommandIdReused,
    CommandMalformed,
    CommandUnknown,
    LogBusy,
    ReasonMissing,
    ReferenceMalformed,
    StreamConflict,
    StreamVersionStale,
)
from tests.support.desk import GOOD_RANK_IC, TENANT, Desk, command_id, created, prices
from tests.support.valid import RUN, declaration

ATTEMPTS = 16
CREATE = CreateDataset(name="us-prices", declaration=declaration())
STAGE = StageVersion(instance="spx-alpha", number=1)
ONE = command_id(1)


@pytest.fixture(params=[True, False], ids=["looked_for", "found_by_the_append"])
def desk(desk: Desk, request: pytest.FixtureRequest) -> Desk:
    """A desk whose bus looks for earlier outcomes, and one whose log finds them."""
    desk.looks_first = request.param
    return desk


def recorded_of(desk: Desk, number: Any = ONE) -> int:
    return sum(one.command_id == number for one in desk.since(0))


def test_every_command_has_a_handler() -> None:
    assert set(HANDLERS) == set(COMMANDS.values())


def test_a_command_without_a_handler_is_refused(desk: Desk) -> None:
    with pytest.raises(CommandUnknown):
        desk.send(CREATE, bus=Bus(desk.services, {}))


def test_an_accepted_command_repeated_has_one_effect_and_the_same_answer(desk: Desk) -> None:
    first = desk.send(CREATE, command_id=ONE)
    again = desk.send(CREATE, command_id=ONE)
    assert (first.kind, first.repeated, again.repeated) == ("accepted", False, True)
    assert (again.position, again.refs, again.versions) == (first.position, first.refs, first.versions)
    assert recorded_of(desk) == 1


def test_an_unchanged_command_repeated_stays_unchanged_though_the_world_moved(desk: Desk) -> None:
    desk.define(publish=False)
    deprecate = DeprecateDefinition(name="xgb-signal", version="1.0.0")
    desk.send(PublishDefinition(name="xgb-signal", version="1.0.0"))
    publish = PublishDefinition(name="xgb-signal", version="1.0.0")
    assert desk.send(publish, command_id=ONE).kind == "unchanged"
    desk.send(deprecate)
    again = desk.send(publish, command_id=ONE)
    assert (again.kind, again.repeated) == ("unchanged", True)


def test_a_refused_command_repeated_is_refused_again_though_it_could_now_succeed(desk: Desk) -> None:
    update = UpdateInstance(name="spx-alpha", description="new")
    first = desk.refused(InstanceUnknown, update, command_id=ONE)
    desk.ready()
    again = desk.refused(InstanceUnknown, update, command_id=ONE)
    assert (again.detail, again.facts, again.code) == (first.detail, first.facts, first.code)
    assert desk.send(update, command_id=command_id(2)).kind == "accepted"


def test_an_accepted_command_repeated_stays_accepted_though_a_gate_blocks_it_now(desk: Desk) -> None:
    def blocks(_command: CreateDataset, _context: Context) -> Outcome:
        raise GuardrailBlocked("too old by now")

    first = desk.send(CREATE, command_id=ONE)
    again = desk.send(CREATE, command_id=ONE, bus=Bus(desk.services, {CreateDataset: blocks}))
    assert (again.kind, again.repeated, again.position) == ("accepted", True, first.position)


def test_a_command_that_a_gate_blocked_is_blocked_again_with_one_report(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC, space="official")
    desk.train(rank_ic=0.0)
    head = desk.log.head()
    answers: list[tuple[str, dict[str, Any]]] = []
    for _ in range(3):
        with pytest.raises(GuardrailBlocked) as caught:
            desk.send(STAGE, command_id=ONE)
        answers.append((caught.value.detail, caught.value.facts))
    assert answers[0] == answers[1] == answers[2]
    (report,) = desk.since(head)
    assert isinstance(report.event, GuardrailEvaluated)
    assert desk.version_state(1).stage == "none"


@pytest.mark.parametrize(
    "changed",
    [
        {"reason": "another reason"},
        {"expected_versions": {"dataset:us-prices": 0}},
    ],
)
def test_a_used_command_id_with_another_envelope_is_refused(desk: Desk, changed: Any) -> None:
    desk.send(CREATE, command_id=ONE)
    desk.refused(CommandIdReused, CREATE, command_id=ONE, **changed)


def test_a_used_command_id_with_another_body_is_refused_and_the_first_outcome_stays(desk: Desk) -> None:
    desk.send(CREATE, command_id=ONE)
    other = CreateDataset(name="eu-prices", declaration=declaration())
    desk.refused(CommandIdReused, other, command_id=ONE)
    desk.refused(CommandIdReused, CancelRun(run_id=RUN), command_id=ONE)
    assert desk.send(CREATE, command_id=ONE).kind == "accepted"


def test_the_id_of_a_refused_command_cannot_be_reused_either(desk: Desk) -> None:
    desk.refused(RunUnknown, CancelRun(run_id=RUN), command_id=ONE)
    desk.refused(CommandIdReused, CREATE, command_id=ONE)


def test_tenants_do_not_share_command_ids_names_or_runs(desk: Desk) -> None:
    desk.ready()
    run_id = desk.submit()
    desk.send(CREATE, tenant="other", command_id=ONE)
    desk.send(CreateDataset(name="eu-prices", declaration=declaration()), command_id=ONE)
    desk.refused(RunUnknown, CancelRun(run_id=run_id), tenant="other")
    desk.refused(InstanceUnknown, ArchiveInstance(name="spx-alpha"), tenant="other")


def test_the_envelope_of_every_event_is_the_senders(desk: Desk) -> None:
    desk.send(CREATE, command_id=ONE, correlation_id=command_id(2), causation_id=command_id(3), reason="why")
    (event,) = desk.since(0)
    assert (event.tenant, event.actor.principal, event.reason) == (TENANT, "p_author", "why")
    assert (event.command_id, event.correlation_id) == (ONE, command_id(2))
    assert event.causation_id == command_id(3)


def test_a_workflow_begins_with_its_first_command(desk: Desk) -> None:
    desk.send(CREATE, command_id=ONE)
    assert desk.since(0)[0].correlation_id == ONE


@pytest.mark.parametrize("reason", [None, "", "   ", "\n\t"])
def test_what_changes_production_needs_a_reason(desk: Desk, reason: str | None) -> None:
    desk.ready()
    desk.train()
    desk.refused(ReasonMissing, PromoteVersion(instance="spx-alpha", number=1), reason=reason)


def test_every_command_that_needs_a_reason_is_refused_without_one(desk: Desk) -> None:
    needing = {name for name, cls in COMMANDS.items() if cls.NEEDS_REASON}
    assert needing == {
        "archive_instance",
        "archive_version",
        "deprecate_definition",
        "promote_version",
        "purge_dataset_version",
        "purge_version_artifact",
        "revoke_access",
        "rollback_version",
        "stage_version",
    }
    desk.refused(ReasonMissing, ArchiveInstance(name="nobody"), reason=None)


def test_a_reason_is_a_sentence_and_no_book(desk: Desk) -> None:
    desk.refused(CommandMalformed, CREATE, reason="x" * 2001)
    assert desk.send(CREATE, reason="x" * 2000).kind == "accepted"


@pytest.mark.parametrize("text", ["a\0b", "\\\0"])
def test_a_text_with_a_nul_is_refused_in_the_command_and_in_its_reason(desk: Desk, text: str) -> None:
    declared = msgspec.structs.replace(declaration(), description=text)
    with pytest.raises(CommandMalformed):
        desk.send(CreateDataset(name="us-prices", declaration=declared))
    with pytest.raises(CommandMalformed):
        desk.send(CREATE, reason=text)
    assert desk.log.head() == 0


def test_the_escape_of_a_nul_is_six_harmless_characters(desk: Desk) -> None:
    declared = msgspec.structs.replace(declaration(), description="\\u0000")
    assert desk.send(CreateDataset(name="us-prices", declaration=declared)).kind == "accepted"


def test_a_stale_expected_version_is_refused_and_names_the_present_one(desk: Desk) -> None:
    desk.ready()
    stale = desk.refused(
        StreamVersionStale,
        UpdateInstance(name="spx-alpha", description="new"),
        expected_versions={"model_instance:spx-alpha": 7},
    )
    assert stale.facts == {"current": 1}


def test_a_current_expected_version_is_accepted(desk: Desk) -> None:
    desk.ready()
    update = UpdateInstance(name="spx-alpha", description="new")
    outcome = desk.send(update, expected_versions={"model_instance:spx-alpha": 1})
    assert outcome.versions == {"model_instance:spx-alpha": 2}


def test_an_expected_version_of_a_stream_that_the_decision_does_not_use_counts_too(desk: Desk) -> None:
    desk.ready()
    update = UpdateInstance(name="spx-alpha", description="new")
    desk.dataset("eu-prices")
    desk.refused(StreamVersionStale, update, expected_versions={"dataset:eu-prices": 1})
    assert desk.send(update, expected_versions={"dataset:eu-prices": 2}).kind == "accepted"


def test_an_expected_version_that_moves_before_the_append_is_stale(desk: Desk) -> None:
    desk.ready()
    desk.dataset("eu-prices")
    bus, log = desk.interleaved()
    log.just_before_append(lambda: desk.upload(prices(1, first=5), "eu-prices"))
    update = UpdateInstance(name="spx-alpha", description="new")
    with pytest.raises(StreamVersionStale):
        desk.send(update, bus=bus, expected_versions={"dataset:eu-prices": 2})


@pytest.mark.parametrize("ref", ["spx-alpha", "nothing:spx-alpha", "training_run:7", "", "order:x"])
def test_an_expected_version_of_no_resource_is_refused(desk: Desk, ref: str) -> None:
    desk.refused(ReferenceMalformed, CREATE, expected_versions={ref: 1})


def test_versions_of_definitions_and_datasets_live_in_their_parents_stream() -> None:
    assert stream_of("ml_module_def:xgb-signal@1.0.0") == StreamKey("ml_module_def", "xgb-signal")
    assert stream_of("dataset_version:us-prices@3") == stream_of("dataset:us-prices")
    assert stream_of("model_version:spx-alpha@3") == StreamKey("model_version", "spx-alpha@3")
    assert stream_of(f"inference_run:{RUN}") == StreamKey("run", RUN)


def test_a_conflict_is_decided_anew_and_not_noticed(desk: Desk) -> None:
    desk.ready()
    desk.train()
    bus, log = desk.interleaved()
    log.just_before_append(
        lambda: desk.send(AnnotateVersion(instance="spx-alpha", number=1, description="first"))
    )
    desk.send(AnnotateVersion(instance="spx-alpha", number=1, tags=("second",)), bus=bus)
    assert log.appends == 2
    assert (desk.version_state(1).description, desk.version_state(1).tags) == ("first", ("second",))


def test_a_conflict_that_decides_the_command_is_a_refusal(desk: Desk) -> None:
    bus, log = desk.interleaved()
    log.just_before_append(lambda: desk.send(CREATE))
    with pytest.raises(DatasetExists):
        desk.send(CREATE, bus=bus)


def test_endless_conflicts_surface_after_a_bounded_number_of_attempts_and_are_no_outcome(desk: Desk) -> None:
    desk.ready()
    bus, log = desk.interleaved()
    log.just_before_append(*[_annoyance(desk, number) for number in range(ATTEMPTS)])
    update = UpdateInstance(name="spx-alpha", owner="p_second")
    with pytest.raises(StreamConflict):
        desk.send(update, bus=bus, command_id=ONE)
    assert log.appends == ATTEMPTS
    assert recorded_of(desk) == 0
    assert desk.send(update, bus=bus, command_id=ONE).kind == "accepted"


def test_a_full_log_is_no_outcome(desk: Desk) -> None:
    bus, log = desk.interleaved()

    def busy() -> None:
        raise LogBusy("the queue is full")

    log.just_before_append(busy)
    with pytest.raises(LogBusy):
        desk.send(CREATE, bus=bus, command_id=ONE)
    assert desk.send(CREATE, bus=bus, command_id=ONE).kind == "accepted"


def test_a_twin_that_was_first_gives_its_outcome_to_the_second(desk: Desk) -> None:
    bus, log = desk.interleaved()
    log.just_before_append(lambda: desk.send(CREATE, command_id=ONE))
    second = desk.send(CREATE, bus=bus, command_id=ONE)
    assert (second.kind, second.repeated, recorded_of(desk)) == ("accepted", True, 1)


def test_a_dry_run_writes_nothing_and_is_no_outcome(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    number = desk.train()
    head = desk.log.head()
    promote = PromoteVersion(instance="spx-alpha", number=number)
    tried = desk.send(promote, dry_run=True, command_id=ONE)
    assert (tried.kind, tried.position, desk.log.head()) == ("unchanged", head, head)
    assert tried.facts["report"].enforced_as == "passed"
    assert desk.send(created("other"), dry_run=True).kind == "unchanged"
    desk.refused(VersionUnknown, PromoteVersion(instance="spx-alpha", number=9), dry_run=True, command_id=ONE)
    assert desk.send(promote, command_id=ONE).kind == "accepted"


def test_a_dry_run_of_a_blocked_move_shows_the_report_and_writes_nothing(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC, space="official")
    desk.train(rank_ic=0.0)
    blocked = desk.refused(GuardrailBlocked, STAGE, dry_run=True)
    assert blocked.facts["report"]["enforced_as"] == "blocked"


def test_a_dry_run_checks_expected_versions(desk: Desk) -> None:
    desk.refused(StreamVersionStale, CREATE, dry_run=True, expected_versions={"dataset:us-prices": 3})


def test_a_refusal_leaves_no_event_whoever_sends_it(desk: Desk) -> None:
    desk.refused(DatasetUnknown, CompactDataset(dataset="nowhere"))


def _annoyance(desk: Desk, number: int) -> Any:
    return lambda: desk.send(UpdateInstance(name="spx-alpha", description=f"draft {number}"))
