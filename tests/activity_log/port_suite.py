"""The contract of the port `ActivityLog`, for every adapter; a subclass brings fixtures `log` and `clock`."""

import threading
from datetime import timedelta

import pytest

from application.ports import StreamCheck, StreamWrite
from domain.shared.activity import StreamKey
from domain.shared.errors import CommandIdReused, CommandTooLarge, StreamConflict
from domain.shared.ids import event_id
from domain.shared.times import to_micros
from tests.activity_log.scenes import (
    START,
    append_many,
    definition,
    envelope,
    how_many,
    published,
    uid,
    versions,
    write,
)


class ActivityLogSuite:
    # --- appending

    def test_an_empty_log_has_head_0_and_no_events(self, log):
        assert (log.head(), list(log.read(0, 10)), log.position_at(START)) == (0, [], 0)

    def test_an_append_answers_with_position_refs_and_stream_versions(self, log):
        outcome = log.append(envelope(), [write(events=2), write("lgbm-signal", 0, 1)])
        assert (outcome.kind, outcome.position, outcome.repeated) == ("accepted", 3, False)
        assert outcome.refs == (
            "ml_module_def:xgb-signal@1.0.0",
            "ml_module_def:xgb-signal@1.1.0",
            "ml_module_def:lgbm-signal@1.0.0",
        )
        assert list(outcome.versions.values()) == [2, 2, 1]

    def test_a_recorded_event_carries_the_whole_envelope(self, log):
        sent = envelope("command", reason="because", causation_id=uid("cause"))
        log.append(sent, [write()])
        (event,) = log.read(0, 10)
        assert (event.position, event.stream_version, event.tenant) == (1, 1, "acme")
        assert event.event_id == event_id("acme", sent.command_id, 0)
        assert event.stream_id == definition().id("acme")
        assert (event.resource_type, event.resource_id) == ("ml_module_def", "xgb-signal@1.0.0")
        assert (event.action, event.schema_version) == ("ml_module_def.published", 1)
        assert (event.actor, event.reason) == (sent.actor, "because")
        assert (event.command_id, event.correlation_id) == (sent.command_id, sent.correlation_id)
        assert event.causation_id == uid("cause")
        assert event.event == published()
        assert event.payload == b'{"name":"xgb-signal","version":"1.0.0"}'

    def test_positions_run_on_over_streams_and_tenants(self, log):
        log.append(envelope(), [write()])
        log.append(envelope(tenant="other"), [write()])
        log.append(envelope(), [write(expected=1)])
        assert [(e.position, e.tenant, e.stream_version) for e in log.read(0, 10)] == [
            (1, "acme", 1),
            (2, "other", 1),
            (3, "acme", 2),
        ]

    def test_pages_begin_after_a_position_and_end_at_the_limit(self, log):
        append_many(log, 5)
        assert [event.position for event in log.read(2, 2)] == [3, 4]
        assert [event.position for event in log.read(4, 10)] == [5]
        assert list(log.read(5, 10)) == []

    # --- conflicts

    @pytest.mark.parametrize("expected", [0, 2])
    def test_a_stream_at_another_version_is_a_conflict_that_names_the_current_one(self, log, expected):
        log.append(envelope(), [write()])
        with pytest.raises(StreamConflict) as refused:
            log.append(envelope(), [write(expected=expected)])
        assert refused.value.facts == {
            "stream": "ml_module_def:xgb-signal",
            "expected": expected,
            "current": 1,
        }
        assert log.head() == 1

    def test_one_conflicting_stream_takes_the_whole_command_with_it(self, log):
        log.append(envelope(), [write()])
        with pytest.raises(StreamConflict):
            log.append(envelope(), [write("lgbm-signal"), write(expected=0)])
        assert list(log.read_stream("acme", definition("lgbm-signal"))) == []

    def test_a_checked_stream_must_stand_where_the_decision_saw_it(self, log):
        log.append(envelope(), [write()])
        log.append(envelope(), [write("lgbm-signal")], [StreamCheck(definition(), 1)])
        with pytest.raises(StreamConflict):
            log.append(envelope(), [write("lgbm-signal", 1)], [StreamCheck(definition(), 0)])
        assert log.head() == 2

    def test_two_writes_to_one_stream_follow_each_other(self, log):
        outcome = log.append(envelope(), [write(), write(expected=1)])
        assert outcome.position == 2
        with pytest.raises(StreamConflict):
            log.append(envelope(), [write(expected=2), write(expected=2)])

    def test_a_conflict_is_no_outcome_so_the_same_command_may_come_again(self, log):
        log.append(envelope(), [write()])
        with pytest.raises(StreamConflict):
            log.append(envelope("command"), [write()])
        assert log.outcome("acme", uid("command")) is None
        assert log.append(envelope("command"), [write(expected=1)]).repeated is False

    # --- idempotency

    def test_a_repeated_command_gets_its_first_outcome_and_has_no_second_effect(self, log):
        first = log.append(envelope("command"), [write(events=2)])
        log.append(envelope(), [write("lgbm-signal")])
        again = log.append(envelope("command"), [write(events=2)])
        assert again.repeated
        assert (again.position, again.refs, again.versions) == (first.position, first.refs, first.versions)
        assert log.head() == 3

    def test_a_repeated_command_is_known_even_if_it_is_decided_otherwise_now(self, log):
        log.append(envelope("command"), [write()])
        assert log.append(envelope("command"), []).repeated
        assert log.refuse(envelope("command"), "a.b", "no", {}).kind == "accepted"

    def test_the_same_id_with_another_body_is_refused(self, log):
        log.append(envelope("command"), [write()])
        with pytest.raises(CommandIdReused):
            log.append(envelope("command", body=b"\x02" * 32), [write(expected=1)])
        assert log.head() == 1

    def test_the_same_id_of_another_tenant_is_another_command(self, log):
        log.append(envelope("command"), [write()])
        assert log.append(envelope("command", tenant="other"), [write()]).repeated is False

    def test_an_outcome_is_found_by_tenant_and_command_id(self, log):
        first = log.append(envelope("command"), [write(events=3)])
        assert log.outcome("acme", uid("command")) == first
        assert log.outcome("other", uid("command")) is None
        assert log.outcome("acme", uid("another")) is None

    def test_no_events_are_the_outcome_unchanged(self, log):
        log.append(envelope(), [write()])
        outcome = log.append(envelope("command"), [])
        assert (outcome.kind, outcome.position, outcome.refs) == ("unchanged", 1, ())
        assert log.append(envelope("command"), []).repeated
        assert log.head() == 1

    def test_an_unchanged_command_still_has_its_checks(self, log):
        with pytest.raises(StreamConflict):
            log.append(envelope(), [], [StreamCheck(definition(), 4)])

    def test_a_refusal_is_kept_with_its_facts(self, log):
        refused = log.refuse(
            envelope("command"), "run.already_finished", "it ended", {"state": "failed", "n": 1}
        )
        assert (refused.kind, refused.code, refused.position) == ("refused", "run.already_finished", 0)
        assert log.outcome("acme", uid("command")) == refused
        again = log.append(envelope("command"), [write()])
        assert (again.kind, again.repeated, again.facts) == ("refused", True, {"state": "failed", "n": 1})
        with pytest.raises(CommandIdReused):
            log.refuse(envelope("command", body=b"\x02"), "run.already_finished", "it ended", {})
        assert log.head() == 0

    # --- limits

    def test_a_command_makes_256_events_at_most(self, log):
        assert log.append(envelope(), [write(events=256)]).position == 256
        with pytest.raises(CommandTooLarge):
            log.append(envelope(), [write("a-b", 0, 128), write("c-d", 0, 129)])
        assert log.head() == 256

    def test_an_event_takes_64_kib_at_most(self, log):
        empty = len(b'{"name":"xgb-signal","version":""}')
        fits = published(version="v" * (64 * 1024 - empty))
        log.append(envelope(), [StreamWrite(definition(), 0, (fits,))])
        with pytest.raises(CommandTooLarge):
            log.append(envelope(), [StreamWrite(definition(), 1, (published(version=fits.version + "v"),))])
        assert log.head() == 1

    # --- time

    def test_times_never_run_backwards_in_the_log(self, log, clock):
        log.append(envelope(), [write()])
        clock.set(START - timedelta(days=1))
        log.append(envelope(), [write(expected=1)])
        clock.set(START + timedelta(days=1))
        log.append(envelope(), [write(expected=2)])
        times = [event.recorded_at_us for event in log.read(0, 10)]
        assert times == [times[0], times[0], to_micros(START + timedelta(days=1))]

    def test_the_position_at_a_time_is_the_last_one_recorded_by_then(self, log, clock):
        for day in (1, 2, 2, 4):
            clock.set(START + timedelta(days=day))
            log.append(envelope(), [write(f"day-{day}-{log.head()}", 0, 2)])
        found = {day: log.position_at(START + timedelta(days=day)) for day in range(6)}
        assert found == {0: 0, 1: 2, 2: 6, 3: 6, 4: 8, 5: 8}
        assert log.position_at(START + timedelta(days=4, microseconds=-1)) == 6

    # --- streams

    def test_a_stream_is_read_in_order_and_only_by_its_tenant(self, log):
        log.append(envelope(), [write(events=2), write("lgbm-signal")])
        log.append(envelope(), [write(expected=2)])
        assert [e.stream_version for e in log.read_stream("acme", definition())] == [1, 2, 3]
        assert list(log.read_stream("other", definition())) == []

    def test_a_stream_is_folded_to_its_state_and_version(self, log):
        log.append(envelope(), [write(events=2)])
        loaded = log.load("acme", definition(), (), versions)
        assert (loaded.state, loaded.version) == (("1.0.0", "1.1.0"), 2)
        log.append(envelope(), [write(expected=2)])
        loaded = log.load("acme", definition(), (), versions)
        assert (loaded.state, loaded.version) == (("1.0.0", "1.1.0", "1.0.0"), 3)

    def test_a_stream_without_events_has_the_initial_state_at_version_0(self, log):
        loaded = log.load("acme", definition(), ("initial",), versions)
        assert (loaded.state, loaded.version) == (("initial",), 0)

    def test_folds_of_one_stream_do_not_disturb_each_other(self, log):
        log.append(envelope(), [write(events=2)])
        assert log.load("acme", definition(), (), versions).state == ("1.0.0", "1.1.0")
        assert log.load("acme", definition(), 0, how_many).state == 2
        assert log.load("acme", definition(), 10, how_many).state == 12
        assert log.load("acme", definition(), 0, how_many).state == 2

    def test_a_run_of_another_tenant_cannot_be_loaded_nor_written(self, log):
        run = StreamKey("run", str(uid("run")))
        log.append(envelope(), [StreamWrite(run, 0, (published(),))])
        assert log.load("acme", run, 0, how_many).version == 1
        assert log.load("other", run, 0, how_many).version == 0
        assert list(log.read_stream("other", run)) == []
        for expected in (0, 1):
            with pytest.raises(StreamConflict) as refused:
                log.append(envelope(tenant="other"), [StreamWrite(run, expected, (published(),))])
            assert "current" not in refused.value.facts

    # --- waiting

    def test_waiting_beyond_a_position_that_is_passed_returns_at_once(self, log):
        append_many(log, 3)
        assert log.wait_beyond(2, 0.0) == 3

    def test_waiting_ends_with_the_time(self, log):
        assert log.wait_beyond(0, 0.01) == 0

    def test_waiting_ends_with_the_next_append(self, log):
        found = []
        waiter = threading.Thread(target=lambda: found.append(log.wait_beyond(0, 30.0)))
        waiter.start()
        log.append(envelope(), [write(events=2)])
        waiter.join()
        assert found == [2]
