"""The demonstration's account is true to the log: each figure and position is looked up in the log itself."""

import re
from collections import Counter
from datetime import timedelta

from domain.dataset.events import DatasetVersionWritten
from domain.ml_module_def.events import DefinitionEvaluated
from domain.model_version.events import VersionPromoted, VersionRegistered, VersionRolledBack
from domain.run.events import RunCompleted, RunSubmitted
from infrastructure.activity_log import open_readonly
from infrastructure.bootstrap import log_path
from infrastructure.verification import replay_export
from tests.demo.conftest import demo, events_of, lines
from tests.guarantees.service_checks import Ledger, check_folder

OURS = {".demo", "log.sqlite", "views.sqlite", "artifacts", "datasets", "runs", "policies.json"}


def test_it_ends_well(played):
    assert played.status == 0, played.text
    assert "NOT TRUE" not in played.text
    parts = [f"{number} " for number in range(1, 9)]
    assert [line[:2] for line in played.text.splitlines() if re.match(r"\d [A-Z]", line)] == parts


def test_every_position_it_names_is_an_event_of_its_log(played):
    named = [int(position) for position in lines(played, r"\[(\d+)\]")]
    assert len(named) >= 8
    assert all(1 <= position <= len(played.events) for position in named)
    assert [event.position for event in played.events] == list(range(1, len(played.events) + 1))
    (count,) = lines(played, r"^Everything above came from (\d+) events")
    assert int(count) == len(played.events)


def test_what_it_says_was_published_was_published_there(played):
    for ref, tests, position in lines(played, r"^  (\S+@\S+) .* (\d+) tests passed.*published \[(\d+)\]"):
        name, version = ref.split("@")
        published = played.at(int(position))
        assert (published.action, published.event.name, published.event.version) == (
            "ml_module_def.published",
            name,
            version,
        )
        verdicts = [one.event for one in events_of(played, DefinitionEvaluated) if one.event.name == name]
        assert [verdict.verdict for verdict in verdicts] == ["passed"]
        details = {check.name: check.detail for check in verdicts[0].checks}
        assert details["tests"].startswith(f"{tests} tests passed")


def test_the_promotions_and_the_rollback_are_those_of_the_log(played):
    told = lines(played, r'^  (promoted|rolled back) +(\S+)@(\d+) → production by (\S+), "(.*)" \[(\d+)\]')
    assert [how for how, *_ in told] == ["promoted", "promoted", "rolled back"]
    kinds = {"promoted": VersionPromoted, "rolled back": VersionRolledBack}
    for how, instance, number, actor, reason, position in told:
        command = played.at(int(position)).command_id
        moves = [one for one in events_of(played, kinds[how]) if one.command_id == command]
        assert [(one.event.instance, one.event.number) for one in moves] == [(instance, int(number))]
        assert (moves[0].actor.principal, moves[0].reason) == (actor, reason)


def test_the_one_event_that_it_shows_is_that_event(played):
    (told,) = lines(
        played,
        r"One event of it, \[(\d+)\]: (\S+) (\S+) · by (\S+) · (\S+)Z · command (\w+) · workflow (\w+)",
    )
    position, action, resource, actor, time, command, workflow = told
    event = played.at(int(position))
    assert (event.action, event.resource_id, event.actor.principal) == (action, resource, actor)
    moment = timedelta(microseconds=event.recorded_at_us % (24 * 3600 * 10**6))
    assert str(moment).partition(".")[0].zfill(8) == time
    assert str(event.command_id).startswith(command)
    assert str(event.correlation_id).startswith(workflow)


def test_who_was_in_production_follows_from_the_log_alone(played):
    told = lines(
        played,
        r'(?:in production at|\.\.\. at|\.\.\. now,) \[(\d+)\]\? +@(\d+), by (\S+) at \[(\d+)\]: "(.*)"',
    )
    assert len(told) == 3
    for asked, number, actor, since, reason in told:
        moves = events_of(played, VersionPromoted | VersionRolledBack)
        before = [one for one in moves if one.position <= int(asked) and one.event.instance == "spx-alpha"]
        last = before[-1]
        assert (last.event.number, last.actor.principal, last.reason) == (int(number), actor, reason)
        assert played.at(int(since)).command_id == last.command_id


def test_the_figures_of_data_and_models_are_those_of_the_log(played):
    written = {
        f"{one.event.dataset}@{one.event.number}": one.event
        for one in events_of(played, DatasetVersionWritten)
    }
    for ref, rows in lines(played, r"^  (\S+@\d+) +\+?([\d,]+) rows "):
        assert written[ref].facts.rows == int(rows.replace(",", ""))
    versions = [one.event for one in events_of(played, VersionRegistered)]
    assert all(not version.external for version in versions)
    shown = [float(value) for value in lines(played, r"rank IC out of sample ([\d.]+)")]
    alpha = sorted((one for one in versions if one.instance == "spx-alpha"), key=lambda one: one.number)
    assert shown == [round(one.metrics["rank_ic"], 3) for one in alpha[:2]]
    (auc,) = lines(played, r"AUC against NBER recessions ([\d.]+)")
    assert [round(one.metrics["auc"], 3) for one in versions if one.instance == "us-regime"] == [float(auc)]
    ended = Counter(recorded.action for recorded in events_of(played, RunCompleted))
    assert ended == {
        "training_run.completed": 11,
        "inference_run.completed": 10,
        "monitoring_run.completed": 4,
    }


def test_the_refusals_left_no_event(played):
    codes = lines(played, r"^  .*  ((?:definition|pit|run)\.\w+)$")
    assert codes == [
        "definition.component_missing",
        "pit.backdated_write",
        "pit.model_from_future",
        "run.already_finished",
    ]
    assert not [event for event in played.events if event.action.endswith((".failed", ".cancelled"))]


def test_a_definition_that_looks_ahead_passed_its_own_tests_and_was_refused(played):
    (ref,) = lines(played, r"^  (\S+@\S+) .*refused, its feature knows three sessions ahead")
    verdicts = [
        one.event for one in events_of(played, DefinitionEvaluated) if one.event.name == ref.split("@")[0]
    ]
    assert [verdict.verdict for verdict in verdicts] == ["failed"]
    checks = {check.name: check for check in verdicts[0].checks}
    assert [name for name, check in checks.items() if not check.ok] == ["lookahead"]
    assert "pit.lookahead reversal" in checks["lookahead"].detail
    published = {one.event.name for one in played.events if one.action == "ml_module_def.published"}
    assert ref.split("@")[0] not in published


def test_the_figures_of_the_chain_are_those_of_the_log(played):
    judged = {
        submitted.event.instance: completed.event.metrics
        for submitted in events_of(played, RunSubmitted)
        for completed in events_of(played, RunCompleted)
        if completed.action == "monitoring_run.completed" and completed.event.run_id == submitted.event.run_id
    }
    ((blend, equal),) = lines(played, r"rank IC ([\d.]+) \(.*\); it .* equal weights, ([\d.]+)$")
    blend_found, equal_found = (judged["spx-blend"][name] for name in ("rank_ic", "equal_weights.rank_ic"))
    assert (float(blend), float(equal)) == (round(blend_found, 3), round(equal_found, 3))
    ((kept, rejected),) = lines(played, r"kept ([-\d.]+) bps, rejected ([-\d.]+) bps")
    (picks,) = [
        one.event for one in events_of(played, VersionRegistered) if one.event.instance == "spx-picks"
    ]
    assert (float(kept), float(rejected)) == (
        round(picks.metrics["kept_bps"], 1),
        round(picks.metrics["rejected_bps"], 1),
    )
    assert float(kept) > float(rejected)


def test_the_filtered_signal_comes_from_the_prices_through_three_models(played):
    """The way back is walked in the events themselves."""
    sources: dict[str, set[str]] = {}
    for one in events_of(played, RunSubmitted):
        run = sources.setdefault(one.event.run_id, set())
        run |= {f"{pinned.dataset}@{pinned.version}" for pinned in one.event.inputs}
        if one.event.model is not None:
            run.add(f"{one.event.instance}#{one.event.model.number}")
    for one in events_of(played, VersionRegistered):
        sources[f"{one.event.instance}#{one.event.number}"] = {one.event.run_id}
    for one in events_of(played, DatasetVersionWritten):
        if one.event.run_id is not None:
            sources[f"{one.event.dataset}@{one.event.number}"] = {one.event.run_id}
    ((newest,),) = [lines(played, r"^  (spx-picks-predictions@\d+) ←.*three models deep")]
    reached, ahead = set(), [newest]
    while ahead:
        node = ahead.pop()
        if node not in reached:
            reached.add(node)
            ahead += sources.get(node, set())
    models = {node.split("#")[0] for node in reached if "#" in node}
    assert {"spx-picks", "spx-blend", "spx-alpha"} <= models
    assert "us-prices@1" in reached


def test_its_log_is_whole_and_its_views_are_what_an_independent_fold_says(played):
    ledger = Ledger(played.data)
    ledger.read_on()
    ledger.check_production()
    check_folder(played.data, ledger)


def test_its_exported_log_replayed_into_an_empty_folder_gives_the_hash_it_printed(played, tmp_path):
    with open_readonly(log_path(played.data)) as log:
        log.export(tmp_path / "log.jsonl")
        records = log.log_hash()
    replayed = replay_export(tmp_path / "log.jsonl", tmp_path / "replay")
    ((events, begin, end),) = lines(played, r"same (\d+) events, same state hash (\w+)…(\w+)")
    assert (replayed.events, replayed.log) == (int(events), records)
    assert replayed.state.startswith(begin)
    assert replayed.state.endswith(end)


def test_it_touches_no_folder_but_its_own(played):
    assert list(played.home.iterdir()) == []
    left = {path.name for path in played.data.iterdir()}
    assert left >= OURS


def test_it_refuses_a_folder_that_holds_other_data(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("ten years of work")
    refused = demo(other, tmp_path / "home")
    assert refused.returncode == 1
    assert "holds other data" in refused.stdout
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]
    assert (other / "thesis.txt").read_text() == "ten years of work"
