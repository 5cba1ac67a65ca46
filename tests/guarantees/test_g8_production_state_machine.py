"""G8: exactly one winner, at most one production version an instance, at every position.

Random commands, invalid ones among them, go through the real bus to a real log. A reference model of plain
dicts, written from the domain's rules alone, says which must be accepted; the log is read back and judged.
"""

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.dataset.commands import CreateDataset
from domain.guardrails.errors import GuardrailBlocked
from domain.model_instance.commands import ArchiveInstance, UpdateInstance
from domain.model_version.commands import (
    AnnotateVersion,
    ArchiveVersion,
    PromoteVersion,
    PurgeVersionArtifact,
    RollbackVersion,
    StageVersion,
)
from domain.run.commands import CancelRun, CompleteRun, FailRun, StartRun, SubmitRun
from domain.shared.activity import RecordedEvent
from domain.shared.command import Command
from domain.shared.errors import RuleBroken
from tests.support.desk import GOOD_RANK_IC, Desk, command_id, created, predictions, prices
from tests.support.valid import NOW, OTHER_RUN, declaration

INSTANCES = ("spx-alpha", "spx-beta")
MEMORY = Path("/dev/shm")  # durability is not the subject: a folder in memory where there is one
REASONS = st.sampled_from(["it is needed", "it is needed", "it is needed", ""])
NEVER = {"instance": INSTANCES[0], "kind": "training", "status": "unknown"}
ENDED = ("completed", "failed", "cancelled")

names = st.sampled_from((*INSTANCES, *INSTANCES, *INSTANCES, "nobody"))
picks = st.integers(0, 9)
"""Which of the candidates that fit; from 8 on any number, mostly one that does not fit."""


class Reference:
    """What must be true, in plain dicts."""

    def __init__(self) -> None:
        self.instances: dict[str, dict[str, Any]] = {}
        self.versions: dict[tuple[str, int], dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.prices = 1
        self.predictions = dict.fromkeys(INSTANCES, 0)

    def instance(self, name: str) -> dict[str, Any] | None:
        found = self.instances.get(name)
        return found if found and not found["archived"] else None

    def activate(self, name: str, number: int | None) -> None:
        """Whoever is in production goes to the archive, the other one comes."""
        former = self.instances[name]["active"]
        if former is not None:
            self.versions[name, former]["stage"] = "archived"
            self.instances[name]["former"] = former
        if number is not None:
            self.versions[name, number]["stage"] = "production"
        self.instances[name]["active"] = number


class ModelOperations(RuleBasedStateMachine):
    """Random lives of two instances."""

    def __init__(self) -> None:
        super().__init__()
        folder = MEMORY if MEMORY.is_dir() else None
        self.folder = tempfile.TemporaryDirectory(dir=folder)
        self.desk = Desk(Path(self.folder.name))
        self.model = Reference()
        self.run_ids: list[str] = []
        self.sent = 0
        self.judged = 0
        self.judge = Judge()

    def teardown(self) -> None:
        self.desk.log.close()
        self.folder.cleanup()

    def attempt(self, command: Command, expected: bool, reason: str = "it is needed") -> bool:
        """Send once and once more: accepted or refused as the model says, without a trace if refused."""
        self.sent += 1
        if command.NEEDS_REASON and not reason:
            expected = False
        head = self.desk.log.head()
        verdicts = [self._accepted(command, reason) for _ in range(2)]
        assert verdicts == [expected, expected], f"{command} accepted={verdicts}, expected {expected}"
        if not expected:
            added = self.desk.since(head)
            assert all(one.action == "guardrail.evaluated" for one in added)
            assert not added or (len(added) == 1 and self.blocked)
        return expected

    def _accepted(self, command: Command, reason: str) -> bool:
        self.blocked = False
        try:
            self.desk.send(command, command_id=command_id(self.sent), reason=reason)
        except GuardrailBlocked:
            self.blocked = True
            return False
        except RuleBroken:
            return False
        return True

    # --- what may happen

    @initialize()
    def a_definition_and_its_data(self) -> None:
        self.desk.define(GOOD_RANK_IC)
        self.desk.dataset()
        for name in INSTANCES:
            self.create(name)

    @rule(name=st.sampled_from(INSTANCES))
    def create(self, name: str) -> None:
        if self.attempt(created(name), name not in self.model.instances):
            self.model.instances[name] = {
                "archived": False,
                "official": False,
                "active": None,
                "former": None,
                "last": 0,
            }

    @rule(name=names)
    @precondition(lambda self: self.sent > 25)
    def archive(self, name: str) -> None:
        known = self.model.instances.get(name)
        if self.attempt(ArchiveInstance(name=name), known is not None) and known and not known["archived"]:
            self.model.activate(name, None)
            known["archived"] = True
            for run in self.model.runs.values():
                if run["instance"] == name and run["status"] == "pending":
                    run["status"] = "cancelled"

    @rule(name=names, official=st.booleans())
    def move(self, name: str, official: bool) -> None:
        known = self.model.instance(name)
        passes = known is not None
        if known and official and not known["official"] and known["active"]:
            version = self.model.versions[name, known["active"]]
            passes = version["good"] and not version["purged"]
        space = "official" if official else "staging"
        if self.attempt(UpdateInstance(name=name, space=space), passes) and known:
            known["official"] = official

    @rule(name=names, kind=st.sampled_from(["training", "training", "inference"]))
    def submit(self, name: str, kind: Any) -> None:
        known = self.model.instance(name)
        version = known and self.model.versions.get((name, known["active"]))
        expected = known is not None and (kind == "training" or bool(version and not version["purged"]))
        run_id = self.desk.services.ids.run_id()
        if self.attempt(SubmitRun(instance=name, kind=kind, run_id=run_id), expected):
            self.run_ids.append(run_id)
            self.model.runs[run_id] = {"instance": name, "kind": kind, "status": "pending"}

    @rule(name=st.sampled_from(INSTANCES), luck=picks)
    def train(self, name: str, luck: int) -> None:
        """A whole training, so that versions are common."""
        before = len(self.run_ids)
        self.submit(name, "training")
        if len(self.run_ids) > before:
            self.start_run(self.run_ids[before])
            self.complete_run(self.run_ids[before], luck < 7)

    @rule(pick=picks)
    def start(self, pick: int) -> None:
        self.start_run(self.run(pick)[0])

    def start_run(self, run_id: str) -> None:
        run = self.model.runs.get(run_id, NEVER)
        pending = run["status"] == "pending" and not self.model.instances[run["instance"]]["archived"]
        if self.attempt(StartRun(run_id=run_id, worker="w1"), pending):
            run["status"] = "running"

    @rule(pick=picks, good=st.booleans())
    def complete(self, pick: int, good: bool) -> None:
        self.complete_run(self.run(pick)[0], good)

    def complete_run(self, run_id: str, good: bool) -> None:
        run = self.model.runs.get(run_id, NEVER)
        command = self.desk.completion(run_id, 0.03 if good else 0.0)
        if run["kind"] == "inference":
            rows = predictions(NOW, signal=len(self.run_ids) / 100)
            command = CompleteRun(run_id=run_id, output_sha256=self.desk.blob(rows))
        if self.attempt(command, run["status"] == "running"):
            run["status"] = "completed"
            self.register(run, good)

    def register(self, run: dict[str, Any], good: bool) -> None:
        if run["kind"] == "training":
            known = self.model.instances[run["instance"]]
            known["last"] += 1
            self.model.versions[run["instance"], known["last"]] = {
                "stage": "staging" if good else "none",
                "good": good,
                "was_staged": good,
                "purged": False,
            }

    @rule(pick=picks, cancel=st.booleans())
    def end(self, pick: int, cancel: bool) -> None:
        self.end_run(self.run(pick)[0], cancel)

    def end_run(self, run_id: str, cancel: bool) -> None:
        run = self.model.runs.get(run_id, NEVER)
        failure = FailRun(run_id=run_id, code="run.crashed", message="exit 1")
        if self.attempt(
            CancelRun(run_id=run_id) if cancel else failure, run["status"] in ("pending", "running")
        ):
            run["status"] = "cancelled" if cancel else "failed"

    @rule(name=names, pick=picks, reason=REASONS)
    def stage(self, name: str, pick: int, reason: str) -> None:
        number = self.number(name, pick, "none")
        known, version = self.model.instance(name), self.model.versions.get((name, number))
        may = bool(known and version and version["stage"] == "none" and not version["purged"])
        passes = may and (version["good"] or not known["official"])  # type: ignore[index]
        if self.attempt(StageVersion(instance=name, number=number), passes, reason):
            version.update(stage="staging", was_staged=True)  # type: ignore[union-attr]

    @rule(name=names, pick=picks, reason=REASONS)
    def promote(self, name: str, pick: int, reason: str) -> None:
        number = self.number(name, pick, "staging")
        known, version = self.model.instance(name), self.model.versions.get((name, number))
        may = bool(known and version and version["stage"] == "staging" and not version["purged"])
        passes = may and (version["good"] or not known["official"])  # type: ignore[index]
        if self.attempt(PromoteVersion(instance=name, number=number), passes, reason):
            self.model.activate(name, number)

    @rule(name=names, pick=picks, default=st.booleans(), reason=REASONS)
    def rollback(self, name: str, pick: int, default: bool, reason: str) -> None:
        self.rollback_to(name, None if default else self.number(name, pick, "archived"), reason)

    def rollback_to(self, name: str, number: int | None, reason: str = "it is needed") -> None:
        known = self.model.instance(name)
        target: int | None = number or (known["former"] if known else None)
        version = self.model.versions.get((name, target)) if target else None
        may = version and version["stage"] == "archived" and version["was_staged"] and not version["purged"]
        if self.attempt(RollbackVersion(instance=name, number=number), bool(known and may), reason):
            assert target is not None
            self.model.activate(name, target)

    @rule(name=names, pick=picks, reason=REASONS)
    def retire(self, name: str, pick: int, reason: str) -> None:
        self.retire_number(name, self.number(name, pick, "production", "none", "staging"), reason)

    def retire_number(self, name: str, number: int, reason: str = "it is needed") -> None:
        version = self.model.versions.get((name, number))
        if (
            self.attempt(ArchiveVersion(instance=name, number=number), version is not None, reason)
            and version
        ):
            if version["stage"] == "production":
                self.model.activate(name, None)
            version["stage"] = "archived"

    @rule(name=names, pick=picks, force=st.booleans())
    def purge(self, name: str, pick: int, force: bool) -> None:
        number = self.number(name, pick, "archived", "production")
        version = self.model.versions.get((name, number))
        may = bool(version and (version["purged"] or version["stage"] != "production" or force))
        if self.attempt(PurgeVersionArtifact(instance=name, number=number, force=force), may) and version:
            version["purged"] = True

    @rule(name=names, pick=picks, text=st.sampled_from(["", "a", "b"]))
    def annotate(self, name: str, pick: int, text: str) -> None:
        number = self.number(name, pick, "none", "staging", "production", "archived")
        command = AnnotateVersion(instance=name, number=number, description=text)
        self.attempt(command, (name, number) in self.model.versions)

    @rule(new=st.booleans())
    def upload(self, new: bool) -> None:
        days = 2 + self.model.prices if new else 2
        assert (self.desk.upload(prices(days)).kind == "accepted") is new
        self.model.prices += new

    @rule(name=st.sampled_from(INSTANCES))
    def promote_what_is_new(self, name: str) -> None:
        """The usual way, so that production changes often."""
        self.train(name, 0)
        self.promote(name, 7, "it is needed")

    @rule(name=st.sampled_from(INSTANCES))
    def there_and_back(self, name: str) -> None:
        """A promotion that is regretted."""
        self.promote_what_is_new(name)
        self.rollback(name, 0, default=True, reason="it is needed")

    @rule(name=st.sampled_from(INSTANCES))
    def predict(self, name: str) -> None:
        """A whole inference, so that predictions are common."""
        before = len(self.run_ids)
        self.submit(name, "inference")
        if len(self.run_ids) > before:
            self.start_run(self.run_ids[before])
            self.complete_run(self.run_ids[before], good=True)

    @rule(name=st.sampled_from(INSTANCES), cancel=st.booleans())
    def end_early(self, name: str, cancel: bool) -> None:
        """A run that ended without a result, and a worker that does not know."""
        before = len(self.run_ids)
        self.submit(name, "training")
        if len(self.run_ids) > before:
            self.end_run(self.run_ids[before], cancel)
            self.start_run(self.run_ids[before])
            self.complete_run(self.run_ids[before], good=True)

    @rule(name=st.sampled_from(INSTANCES))
    def bury_what_failed_its_gate(self, name: str) -> None:
        """It must not come into production by way of the archive."""
        self.train(name, 9)
        number = self.model.instances[name]["last"] or 1
        self.retire_number(name, number)
        self.rollback_to(name, number)

    @rule()
    def create_the_dataset_again(self) -> None:
        self.attempt(CreateDataset(name="us-prices", declaration=declaration()), False)

    def run(self, pick: int) -> tuple[str, dict[str, Any]]:
        """Mostly a run that has not ended; else any, or one that never was."""
        going = [run_id for run_id in self.run_ids if self.model.runs[run_id]["status"] not in ENDED]
        if going and pick < 7:
            return going[pick % len(going)], self.model.runs[going[pick % len(going)]]
        ended = [run_id for run_id in self.run_ids if run_id not in going]
        if ended and pick != 9:
            return ended[-1], self.model.runs[ended[-1]]
        return OTHER_RUN, NEVER

    def number(self, name: str, pick: int, *stages: str) -> int:
        """Mostly a version of the instance in one of these stages; else any number."""
        fitting = [
            number
            for (owner, number), version in self.model.versions.items()
            if owner == name and version["stage"] in stages
        ]
        return fitting[pick % len(fitting)] if fitting and pick < 8 else pick % 4 + 1

    # --- what must hold

    @invariant()
    def the_log_tells_nothing_impossible(self) -> None:
        for recorded in self.desk.since(self.judged):
            self.judge.see(recorded)
        self.judged = self.desk.log.head()
        self.judge.at_rest()

    @invariant()
    def the_deciders_stand_where_the_model_stands(self) -> None:
        for name, known in self.model.instances.items():
            state = self.desk.instance_state(name)
            assert (state.active, state.former) == (known["active"], known["former"])
            assert (state.archived, state.last_number) == (known["archived"], known["last"])
        for (name, number), version in self.model.versions.items():
            seen = self.desk.version_state(number, name)
            assert (seen.stage, seen.purged) == (version["stage"], version["purged"])
        for run_id, run in self.model.runs.items():
            assert self.desk.run_state(run_id).status == run["status"]


class Judge:
    """Reads the log as plain payloads and knows only what may never be."""

    def __init__(self) -> None:
        self.position = 0
        self.command: Any = None
        self.production: dict[str, set[int]] = defaultdict(set)
        self.active: dict[str, int | None] = {}
        self.numbers: dict[str, int] = defaultdict(int)
        self.dataset_numbers: dict[str, int] = defaultdict(int)
        self.streams: dict[Any, int] = defaultdict(int)
        self.ended: set[str] = set()
        self.closed: set[str] = set()

    def see(self, recorded: RecordedEvent) -> None:
        """One event; at the border of two commands everything must agree."""
        if recorded.command_id != self.command:
            self.at_rest()
        self.command = recorded.command_id
        assert recorded.position == self.position + 1
        self.position = recorded.position
        self.streams[recorded.stream_id] += 1
        assert recorded.stream_version == self.streams[recorded.stream_id]
        resource, verb = recorded.action.split(".")
        see = getattr(self, f"_{resource}", None)
        if see:
            see(recorded.event, verb)
        if resource.endswith("_run"):
            self._run(recorded.resource_id, verb)

    def at_rest(self) -> None:
        """Between two commands at most one version is in production, and it is the active one."""
        for name, versions in self.production.items():
            assert len(versions) <= 1
            assert versions == ({self.active[name]} if self.active.get(name) else set())

    def _model_version(self, event: Any, verb: str) -> None:
        if verb == "registered":
            self.numbers[event.instance] += 1
            assert event.number == self.numbers[event.instance]
        if verb in ("promoted", "rolled_back"):
            assert event.instance not in self.closed
            assert event.replaces == next(iter(self.production[event.instance]), None)
            self.production[event.instance].add(event.number)
        if verb == "archived":
            self.production[event.instance].discard(event.number)

    def _model_instance(self, event: Any, verb: str) -> None:
        if verb == "archived":
            self.closed.add(event.name)
        elif verb != "version_numbered":
            assert event.name not in self.closed
        if verb == "active_version_changed":
            assert event.former == self.active.get(event.name)
            self.active[event.name] = event.active

    def _dataset_version(self, event: Any, verb: str) -> None:
        if verb == "written":
            self.dataset_numbers[event.dataset] += 1
            assert event.number == self.dataset_numbers[event.dataset]

    def _run(self, run_id: str, verb: str) -> None:
        assert run_id not in self.ended
        if verb in ENDED:
            self.ended.add(run_id)


SHORT = settings().max_examples * 2 // 5  # 40, in the soak 2,000: each is a log of its own
ModelOperations.TestCase.settings = settings(max_examples=SHORT, stateful_step_count=50)
TestModelOperations = ModelOperations.TestCase
