"""Rules 4, 11-14, 16, 19-21: what a run pins, who may start and end it, and what its end registers."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from application.errors import ArtifactMissing
from application.ports import StreamWrite
from domain.dataset.commands import PurgeDatasetVersion
from domain.dataset.errors import DatasetEmpty, DatasetVersionPurgedAlready
from domain.dataset.events import DatasetVersionWritten
from domain.guardrails.contracts import Contract
from domain.guardrails.events import GuardrailEvaluated
from domain.guardrails.measurements import Measurement, Measurements
from domain.model_instance import decider as instances
from domain.model_instance.commands import UpdateInstance
from domain.model_instance.errors import (
    InstanceHyperParametersInvalid,
    InstanceNoActiveVersion,
    InstanceUnknown,
)
from domain.model_instance.events import InstanceArchived, InstanceVersionNumbered
from domain.model_instance.specification import Config, DatasetBinding, Limits
from domain.model_version.commands import PromoteVersion
from domain.model_version.errors import VersionUnknown
from domain.model_version.events import VersionRegistered
from domain.point_in_time import PitModelFromFuture
from domain.run import decider as runs
from domain.run.commands import CancelRun, CompleteRun, FailRun, LogMetrics, StartRun, SubmitRun
from domain.run.errors import (
    RunAlreadyClaimed,
    RunAlreadyFinished,
    RunDecisionsInvalid,
    RunExists,
    RunInstanceClosed,
    RunNotStarted,
    RunOutputMissing,
    RunOutputUnexpected,
    RunRetryInvalid,
    RunUnknown,
)
from domain.run.events import RunCompleted, RunFailed, RunMetricsLogged
from domain.run.pins import DateRange, MetricPoint
from domain.shared.activity import Actor, Envelope
from domain.shared.errors import AsOfInFuture
from tests.support.desk import BOUNDED, GOOD_RANK_IC, Desk, predictions, prices
from tests.support.valid import NOW, OTHER_RUN, RUN, digest

NAME = "spx-alpha"
TRAIN = SubmitRun(instance=NAME, kind="training")
INFER = SubmitRun(instance=NAME, kind="inference")
HARD_BOUNDS = Contract(kind="signal.bounds", config={"column": "signal"}, enforce="block")


def pinned(desk: Desk, run_id: str) -> Any:
    return desk.run_state(run_id).submitted


def measured(contract: Contract, breaching: int) -> Measurements:
    item = Measurement(contract=contract.key(), rows=1, breaching=breaching, observed={"maximum": 2.0})
    return Measurements(rows=1, items=(item,))


def test_a_run_pins_definition_config_datasets_and_as_of_at_its_submission(desk: Desk) -> None:
    desk.ready(config=Config(feature_lag=3, hyper_parameters={"depth": 2}), limits=Limits(time_s=60))
    run = pinned(desk, desk.submit(params={"depth": 4}))
    assert str(run.definition) == "xgb-signal@1.0.0"
    assert run.package_sha256 == digest("package 1.0.0")
    assert (run.config.feature_lag, run.config.hyper_parameters) == (3, {"depth": 4})
    assert (run.limits.time_s, run.as_of, run.model) == (60, NOW, None)
    assert [(one.dataset, one.version, one.role, one.use) for one in run.inputs] == [
        ("us-prices", 1, "prices", "input")
    ]


def test_an_update_and_new_data_change_later_runs_only(desk: Desk) -> None:
    desk.ready()
    earlier = desk.submit()
    desk.upload(prices(1, first=5))
    desk.send(UpdateInstance(name=NAME, config=Config(feature_lag=9)))
    later = desk.submit()
    assert [one.version for one in pinned(desk, earlier).inputs] == [1]
    assert [one.version for one in pinned(desk, later).inputs] == [2]
    assert (pinned(desk, earlier).config.feature_lag, pinned(desk, later).config.feature_lag) == (1, 9)


def test_a_binding_may_pin_a_dataset_version(desk: Desk) -> None:
    first = (DatasetBinding(dataset="us-prices", role="prices", version=1),)
    desk.ready(training_datasets=first)
    desk.upload(prices(1, first=5))
    assert [one.version for one in pinned(desk, desk.submit()).inputs] == [1]


def test_an_outcome_dataset_of_its_own_judges_and_does_not_train(desk: Desk) -> None:
    desk.dataset("us-outcomes")
    desk.ready(outcome_dataset="us-outcomes")
    run_id = desk.start(desk.submit())
    uses = {one.dataset: one.use for one in pinned(desk, run_id).inputs}
    assert uses == {"us-prices": "input", "us-outcomes": "outcome"}
    desk.send(desk.completion(run_id))
    registered = desk.version_state(1).registered
    assert registered is not None
    assert [one.dataset for one in registered.inputs] == ["us-prices"]


def test_inference_reads_as_its_model_was_trained_whatever_the_instance_says_now(desk: Desk) -> None:
    desk.ready(config=Config(feature_lag=3, feature_cols=("close",)))
    desk.promoted()
    desk.define(version="2.0.0")
    now = Config(feature_lag=9, horizon=5, history="restated")
    desk.send(UpdateInstance(name=NAME, definition="xgb-signal@2.0.0", config=now))
    run = pinned(desk, desk.submit("inference"))
    assert str(run.definition) == "xgb-signal@1.0.0"
    assert (run.config.feature_lag, run.config.feature_cols) == (3, ("close",))
    assert (run.config.horizon, run.config.history) == (1, "vintage")
    assert run.model.number == 1


def test_a_run_in_flight_keeps_the_version_that_it_pinned(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    run_id = desk.submit("inference")
    desk.promoted()
    assert pinned(desk, run_id).model.number == 1
    assert pinned(desk, desk.submit("inference")).model.number == 2


def test_inference_takes_the_active_version_or_the_one_that_is_named(desk: Desk) -> None:
    desk.ready()
    desk.refused(InstanceNoActiveVersion, INFER)
    desk.train()
    desk.refused(InstanceNoActiveVersion, INFER)
    assert pinned(desk, desk.submit("inference", model_version=1)).model.number == 1
    desk.refused(VersionUnknown, SubmitRun(instance=NAME, kind="inference", model_version=2))


def test_monitoring_reads_the_predictions_and_what_came_of_them(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    desk.refused(DatasetEmpty, SubmitRun(instance=NAME, kind="monitoring"))
    desk.inferred(predictions(NOW))
    run_id = desk.submit("monitoring")
    assert [(one.role, one.dataset, one.use) for one in pinned(desk, run_id).inputs] == [
        ("predictions", "spx-alpha-predictions", "input"),
        ("prices", "us-prices", "outcome"),
    ]
    desk.start(run_id)
    desk.refused(RunOutputUnexpected, CompleteRun(run_id=run_id, output_sha256=digest("rows")))
    desk.send(CompleteRun(run_id=run_id, metrics={"drift": 0.1}))
    assert desk.run_state(run_id).status == "completed"


def test_as_of_is_now_unless_it_is_earlier_and_never_later(desk: Desk) -> None:
    desk.ready()
    earlier = NOW - timedelta(days=30)
    assert pinned(desk, desk.submit(as_of=earlier)).as_of == earlier
    later = SubmitRun(instance=NAME, kind="training", as_of=NOW + timedelta(microseconds=1))
    desk.refused(AsOfInFuture, later)


def test_a_model_predicts_nothing_from_before_it_was_trained(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    past = SubmitRun(instance=NAME, kind="inference", as_of=NOW - timedelta(days=1))
    refusal = desk.refused(PitModelFromFuture, past)
    assert refusal.facts["trained_as_of"] == "2026-03-14T17:00:00Z"


def test_a_range_is_judged_by_its_first_decision(desk: Desk) -> None:
    desk.ready(config=Config(calendar="XNYS"))
    desk.train(as_of=datetime(2026, 3, 10, 21, tzinfo=UTC))
    desk.send(PromoteVersion(instance=NAME, number=1))
    early = SubmitRun(instance=NAME, kind="inference", first=date(2026, 3, 9), last=date(2026, 3, 13))
    desk.refused(PitModelFromFuture, early)
    run_id = desk.submit("inference", first=date(2026, 3, 10), last=date(2026, 3, 13))
    assert pinned(desk, run_id).decisions == DateRange(first=date(2026, 3, 10), last=date(2026, 3, 13))
    weekend = SubmitRun(instance=NAME, kind="inference", first=date(2026, 3, 7), last=date(2026, 3, 8))
    desk.refused(RunDecisionsInvalid, weekend)


def test_a_range_without_a_calendar_is_judged_by_the_instances_own_decision_time(desk: Desk) -> None:
    desk.ready(config=Config(decision_time="16:30 UTC"))
    desk.promoted()
    early = SubmitRun(instance=NAME, kind="inference", first=date(2026, 3, 9), last=date(2026, 3, 13))
    desk.refused(PitModelFromFuture, early)


@pytest.mark.parametrize(
    ("kind", "span"),
    [
        ("inference", {"first": date(2026, 3, 9)}),
        ("inference", {"last": date(2026, 3, 9)}),
        ("inference", {"first": date(2026, 3, 10), "last": date(2026, 3, 9)}),
        ("training", {"first": date(2026, 3, 9), "last": date(2026, 3, 10)}),
        ("monitoring", {"first": date(2026, 3, 9), "last": date(2026, 3, 10)}),
    ],
)
def test_a_range_has_two_ends_in_order_and_belongs_to_inference(desk: Desk, kind: Any, span: Any) -> None:
    desk.ready()
    desk.refused(RunDecisionsInvalid, SubmitRun(instance=NAME, kind=kind, **span))


def test_a_runs_parameters_fit_the_definitions_schema(desk: Desk) -> None:
    desk.ready()
    wrong = SubmitRun(instance=NAME, kind="training", params={"depth": "deep"})
    desk.refused(InstanceHyperParametersInvalid, wrong)
    desk.refused(InstanceUnknown, SubmitRun(instance="nobody", kind="training"))


def test_a_dataset_without_rows_or_with_purged_ones_feeds_no_run(desk: Desk) -> None:
    desk.ready()
    desk.upload(prices(1, first=5))
    desk.send(PurgeDatasetVersion(dataset="us-prices", number=1))
    desk.refused(DatasetVersionPurgedAlready, TRAIN)


def test_a_run_id_is_used_once(desk: Desk) -> None:
    desk.ready()
    desk.send(SubmitRun(instance=NAME, kind="training", run_id=RUN))
    desk.refused(RunExists, SubmitRun(instance=NAME, kind="training", run_id=RUN))


def test_a_retry_names_a_run_of_the_same_instance_and_kind(desk: Desk) -> None:
    desk.ready()
    desk.instance("other")
    first = desk.submit()
    desk.refused(RunUnknown, SubmitRun(instance=NAME, kind="training", retry_of=OTHER_RUN))
    desk.refused(RunRetryInvalid, SubmitRun(instance="other", kind="training", retry_of=first))
    assert pinned(desk, desk.submit(retry_of=first)).retry_of == first


def test_one_worker_wins_a_pending_run(desk: Desk) -> None:
    desk.ready()
    run_id = desk.start(desk.submit())
    desk.refused(RunAlreadyClaimed, StartRun(run_id=run_id, worker="w2"))


def test_nothing_starts_for_an_archived_instance(desk: Desk) -> None:
    desk.ready()
    bus, log = desk.interleaved()
    run_id = desk.submit()
    log.just_before_append(lambda: _archived_past_the_lookup(desk))
    with pytest.raises(RunInstanceClosed):
        desk.send(StartRun(run_id=run_id, worker="w1"), bus=bus)


def _archived_past_the_lookup(desk: Desk) -> None:
    """As if the run had been submitted beside the archiving: the instance closes, the run stays pending."""
    envelope = Envelope(
        tenant="desk", actor=Actor(principal="p_x"), command_id=uuid4(), body_hash=b"", correlation_id=uuid4()
    )
    version = len(desk.log.read_stream("desk", instances.stream(NAME)))
    archived = (InstanceArchived(name=NAME),)
    desk.log.append(envelope, [StreamWrite(instances.stream(NAME), version, archived)])


def test_metrics_are_logged_while_a_run_runs_in_a_stream_of_their_own(desk: Desk) -> None:
    desk.ready()
    points = (MetricPoint(name="loss", step=1, value=0.5),)
    run_id = desk.submit()
    desk.refused(RunNotStarted, LogMetrics(run_id=run_id, points=points))
    desk.start(run_id)
    before = len(desk.log.read_stream("desk", runs.stream(run_id)))
    for _ in range(3):
        desk.send(LogMetrics(run_id=run_id, points=points))
    assert isinstance(desk.last()[0], RunMetricsLogged)
    assert desk.since(desk.log.head() - 1)[0].stream_version == 3
    assert len(desk.log.read_stream("desk", runs.stream(run_id))) == before
    desk.send(desk.completion(run_id))
    desk.refused(RunAlreadyFinished, LogMetrics(run_id=run_id, points=points))


@pytest.mark.parametrize("end", [CancelRun, FailRun, CompleteRun])
def test_the_first_end_wins_and_every_other_is_refused(desk: Desk, end: type[Any]) -> None:
    desk.ready()
    run_id = desk.start(desk.submit())
    ends: dict[type[Any], Any] = {
        CancelRun: CancelRun(run_id=run_id),
        FailRun: FailRun(run_id=run_id, code="run.crashed", message="exit 1"),
        CompleteRun: desk.completion(run_id),
    }
    desk.send(ends[end])
    for other in (*ends.values(), StartRun(run_id=run_id, worker="w2")):
        desk.refused(RunAlreadyFinished, other)
    assert (desk.instance_state().last_number == 1) is (end is CompleteRun)


@pytest.mark.parametrize("end", [CancelRun, FailRun])
def test_a_pending_run_may_be_cancelled_or_fail(desk: Desk, end: type[Any]) -> None:
    desk.ready()
    run_id = desk.submit()
    more = {} if end is CancelRun else {"code": "run.never_started", "message": "24 h unclaimed"}
    assert desk.send(end(run_id=run_id, **more)).kind == "accepted"
    desk.refused(RunAlreadyFinished, StartRun(run_id=run_id, worker="w1"))


def test_a_training_ends_in_one_append_of_gate_end_version_and_number(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    run_id = desk.start(desk.submit())
    desk.send(desk.completion(run_id))
    gate, completed, registered, numbered = desk.of_last_command()
    assert isinstance(gate, GuardrailEvaluated)
    assert gate.report.target == f"training_run:{run_id}"
    assert isinstance(completed, RunCompleted)
    assert completed.model_version == 1
    assert isinstance(registered, VersionRegistered)
    assert (registered.number, registered.stage, registered.run_id) == (1, "staging", run_id)
    assert numbered == InstanceVersionNumbered(name=NAME, number=1, run_id=run_id)


def test_versions_are_numbered_in_the_order_in_which_trainings_complete(desk: Desk) -> None:
    desk.ready()
    first, second, third = (desk.start(desk.submit()) for _ in range(3))
    desk.send(desk.completion(third))
    desk.send(FailRun(run_id=second, code="run.crashed", message="exit 1"))
    desk.send(desk.completion(first))
    numbered = [one.event for one in desk.since(0) if isinstance(one.event, InstanceVersionNumbered)]
    assert [(one.number, one.run_id) for one in numbered] == [(1, third), (2, first)]


def test_a_training_that_fails_its_gate_is_registered_in_none_even_where_gates_block(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC, space="official")
    run_id = desk.start(desk.submit())
    assert desk.send(desk.completion(run_id, rank_ic=0.0)).kind == "accepted"
    assert desk.run_state(run_id).status == "completed"
    assert desk.version_state(1).stage == "none"


@pytest.mark.parametrize("kind", ["training", "inference"])
def test_an_end_without_the_output_of_its_kind_is_refused(desk: Desk, kind: str) -> None:
    desk.ready()
    desk.promoted()
    run_id = desk.start(desk.submit(kind))
    desk.refused(RunOutputMissing, CompleteRun(run_id=run_id))


def test_predictions_become_the_next_version_of_the_output_dataset(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    run_id, _ = desk.inferred(predictions(NOW))
    gate, completed, written = desk.of_last_command()
    assert isinstance(gate, GuardrailEvaluated)
    assert isinstance(completed, RunCompleted)
    assert isinstance(written, DatasetVersionWritten)
    assert (completed.dataset_version, written.number, written.run_id) == (1, 1, run_id)
    assert written.dataset == "spx-alpha-predictions"


def test_predictions_that_are_all_there_already_make_no_version(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    desk.inferred(predictions(NOW))
    desk.inferred(predictions(NOW))
    _, completed = desk.of_last_command()
    assert isinstance(completed, RunCompleted)
    assert completed.dataset_version is None


def test_a_blocked_inference_fails_and_leaves_no_dataset_version(desk: Desk) -> None:
    desk.ready(HARD_BOUNDS)
    desk.promoted()
    run_id, outcome = desk.inferred(predictions(NOW, signal=2.0), measured(HARD_BOUNDS, 1))
    gate, failed = desk.of_last_command()
    assert outcome.kind == "accepted"
    assert isinstance(gate, GuardrailEvaluated)
    assert gate.report.enforced_as == "blocked"
    assert isinstance(failed, RunFailed)
    assert (failed.code, desk.run_state(run_id).status) == ("guardrail.blocked", "failed")
    desk.refused(DatasetEmpty, SubmitRun(instance=NAME, kind="monitoring"))


def test_a_warned_inference_is_registered_with_its_report(desk: Desk) -> None:
    desk.ready(BOUNDED)
    desk.promoted()
    desk.inferred(predictions(NOW, signal=2.0), measured(BOUNDED, 1))
    gate, _, written = desk.of_last_command()
    assert isinstance(gate, GuardrailEvaluated)
    assert (gate.report.enforced_as, gate.report.ok) == ("warned", False)
    assert isinstance(written, DatasetVersionWritten)


def test_an_output_that_was_not_measured_does_not_pass(desk: Desk) -> None:
    desk.ready(HARD_BOUNDS)
    desk.promoted()
    run_id, _ = desk.inferred(predictions(NOW))
    assert desk.run_state(run_id).status == "failed"


def test_rows_that_were_not_stored_end_no_inference(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    run_id = desk.start(desk.submit("inference"))
    desk.refused(ArtifactMissing, CompleteRun(run_id=run_id, output_sha256=digest("never stored")))


def test_predictions_recorded_more_than_a_day_after_their_last_decision_are_simulated(desk: Desk) -> None:
    desk.ready(config=Config(calendar="XNYS"))
    desk.train(as_of=datetime(2026, 3, 1, tzinfo=UTC))
    desk.send(PromoteVersion(instance=NAME, number=1))
    friday = datetime(2026, 3, 13, 21, tzinfo=UTC)
    thursday = datetime(2026, 3, 12, 21, tzinfo=UTC)
    desk.inferred(predictions(friday), first=friday.date(), last=friday.date())
    desk.inferred(predictions(thursday), first=thursday.date(), last=thursday.date())
    written = [
        one.event.simulated
        for one in desk.since(0)
        if isinstance(one.event, DatasetVersionWritten) and one.event.run_id
    ]
    assert written == [False, True]


def test_exactly_a_day_late_is_still_live(desk: Desk) -> None:
    desk.ready()
    desk.promoted()
    run_id = desk.start(desk.submit("inference"))
    desk.clock.move(timedelta(hours=24))
    desk.send(CompleteRun(run_id=run_id, output_sha256=desk.blob(predictions(NOW))))
    (written,) = desk.last()
    assert isinstance(written, DatasetVersionWritten)
    assert not written.simulated


def test_refused_ends_leave_no_trace_and_gate_reports_always_do(desk: Desk) -> None:
    desk.ready(GOOD_RANK_IC)
    desk.train()
    desk.train(rank_ic=0.0)
    reports = [one for one in desk.since(0) if one.action == "guardrail.evaluated"]
    assert len(reports) == 3
    assert all(one.event is not None for one in desk.since(0))
