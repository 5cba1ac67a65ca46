"""The intake's step on a real bus and log: no broker, no threads."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from application.bus import Sender
from application.ports import Outcome
from domain.catalogue import COMMANDS
from domain.shared.command import Command
from domain.shared.errors import LogBusy
from infrastructure.kafka.cloud_events import Message, binary, read, structured
from infrastructure.kafka.dead_letters import Reason, Record
from infrastructure.kafka.intake import TRIES, Answer, Intake, Step
from infrastructure.kafka.intake_reading import TYPE_PREFIX, Reader
from infrastructure.settings import CommandSource
from tests.support.desk import GOOD_RANK_IC, TENANT, Desk

SOURCE = f"/optaic/{TENANT}/datahub"
SOURCES = {
    SOURCE: CommandSource(tenant=TENANT, principal="service:datahub"),
    "/optaic/other/datahub": CommandSource(tenant="other", principal="service:datahub"),
}
DATASET = {"name": "us-prices", "declaration": {"columns": [{"name": "close", "type": "float64"}]}}
FROM_OUTSIDE = sorted(name for name, of in COMMANDS.items() if not of.INTERNAL and not of.WORKER)
CLOSED = sorted(set(COMMANDS) - set(FROM_OUTSIDE))


class Patient:
    """Time that does not pass; a step may be told to end at an attempt."""

    def __init__(self, attempts: int = 10) -> None:
        self.attempts = attempts
        self.pauses = 0

    def now(self) -> datetime:
        return datetime(2026, 3, 14, tzinfo=UTC)

    def is_over(self) -> bool:
        return self.pauses >= self.attempts

    def pause(self, attempt: int) -> bool:
        self.pauses += 1
        return not self.is_over()


class Failing:
    """A bus in front of which something happens so many times."""

    def __init__(self, bus: Any, error: Exception, times: int) -> None:
        self.bus, self.error, self.times = bus, error, times
        self.sent: list[str] = []

    def send(self, command: Command, sender: Sender) -> Outcome:
        self.sent.append(getattr(command, "name", command.TYPE))
        if self.times:
            self.times -= 1
            raise self.error
        return self.bus.send(command, sender)

    def outcome(self, tenant: str, command_id: UUID) -> Outcome | None:
        return self.bus.outcome(tenant, command_id)


def envelope(name: str = "create_dataset", data: Any = DATASET, **fields: Any) -> dict[str, Any]:
    return {"command_id": str(uuid4()), "type": name, "data": data, **fields}


def message(
    body: dict[str, Any], *, is_structured: bool = False, key: str = TENANT, **attributes: str
) -> Message:
    named = {"id": body["command_id"], "source": SOURCE, "type": TYPE_PREFIX + body["type"], **attributes}
    if is_structured:
        return structured(named, body, key)
    return binary(named, msgspec.json.encode(body), key)


def records(*messages: Message, partition: int = 0) -> list[Record]:
    return [Record("commands", partition, offset, *each) for offset, each in enumerate(messages)]


def stepped(bus: Any, *messages: Message, pacing: Patient | None = None) -> Step:
    return Intake(Reader(SOURCES), bus, (ConnectionError,)).step(records(*messages), pacing or Patient())


def result(answer: Answer) -> dict[str, Any]:
    assert answer.is_result
    assert answer.key == TENANT.encode()
    event = read(answer.headers, answer.value)
    assert event.source == f"/optaic/{TENANT}/mlops"
    assert event.type == "optaic.mlops.command_result"
    return msgspec.json.decode(event.data)


@pytest.fixture
def desk(tmp_path):
    with Desk(tmp_path) as desk:
        yield desk


@pytest.mark.parametrize("is_structured", [False, True])
def test_a_command_is_taken_in_both_modes_and_its_result_names_what_it_did(desk, is_structured):
    body = envelope()
    (answer,) = stepped(desk.bus, message(body, is_structured=is_structured)).answers
    said = result(answer)
    assert said["command_id"] == body["command_id"]
    assert (said["outcome"], said["position"]) == ("accepted", desk.log.head())
    assert said["refs"] == ["dataset:us-prices"]
    assert said["versions"] == {"dataset:us-prices": 1}


def test_the_service_acts_and_the_person_is_recorded(desk):
    body = envelope(reason="a new feed")
    correlation = str(uuid4())
    stepped(desk.bus, message(body, onbehalfof="p_ada", correlationid=correlation))
    (event,) = desk.since(0)
    assert event.actor.principal == "service:datahub"
    assert (event.actor.method, event.actor.on_behalf_of) == ("kafka", "p_ada")
    assert str(event.command_id) == body["command_id"]
    assert str(event.correlation_id) == correlation
    assert event.reason == "a new feed"


def test_a_refusal_is_a_result_with_code_problem_and_position(desk):
    desk.dataset()
    (answer,) = stepped(desk.bus, message(envelope())).answers
    said = result(answer)
    assert (said["outcome"], said["code"]) == ("refused", "dataset.exists")
    assert said["problem"]["code"] == said["code"]
    assert said["position"] == desk.log.head()


def test_a_blocking_gate_is_a_refusal_that_carries_its_report(desk):
    desk.ready(GOOD_RANK_IC, space="official")
    desk.train(rank_ic=0.0)
    body = envelope("stage_version", {"instance": "spx-alpha", "number": 1}, reason="it is due")
    for _ in range(2):
        (answer,) = stepped(desk.bus, message(body)).answers
        said = result(answer)
        assert (said["outcome"], said["code"]) == ("refused", "guardrail.blocked")
        assert said["problem"]["report"]["enforced_as"] == "blocked"
        assert said["position"] == desk.log.head()


def test_a_repeated_command_has_one_effect_and_the_same_result(desk):
    body = envelope()
    first, again = stepped(desk.bus, message(body), message(body, is_structured=True)).answers
    assert (again.value, again.headers) == (first.value, first.headers)
    assert desk.log.head() == 1


def test_the_same_id_with_another_body_is_refused(desk):
    body = envelope()
    other = {**body, "data": {**DATASET, "name": "eu-prices"}}
    _, answer = stepped(desk.bus, message(body), message(other)).answers
    assert result(answer)["code"] == "command.id_reused"
    assert desk.log.head() == 1


def test_a_stale_expected_version_is_refused(desk):
    desk.dataset()
    stale = envelope("compact_dataset", {"dataset": "us-prices"}, expected_versions={"dataset:us-prices": 1})
    (answer,) = stepped(desk.bus, message(stale)).answers
    assert result(answer)["code"] == "stream.version_stale"


def test_an_expected_version_of_nothing_known_is_refused_by_name(desk):
    (answer,) = stepped(desk.bus, message(envelope(expected_versions={"cat:tom": 1}))).answers
    assert result(answer)["code"] == "reference.malformed"


UNREADABLE = {
    "no value": Message(TENANT.encode(), None, []),  # type: ignore[arg-type]
    "no event": Message(TENANT.encode(), b"hello", []),
    "broken header": Message(TENANT.encode(), b"{}", [("ce_id", b"\xff")]),
    "broken structure": Message(TENANT.encode(), b"{", [("content-type", b"application/cloudevents+json")]),
    "a batch": Message(TENANT.encode(), b"[]", [("content-type", b"application/cloudevents-batch+json")]),
    "no UUID": message(envelope(command_id="seven")),
    "other id inside": message(envelope(), id=str(uuid4())),
    "other type inside": message(envelope(), type=f"{TYPE_PREFIX}compact_dataset"),
    "other reason inside": message(envelope(reason="one"), reason="other"),
    "other correlation inside": message(envelope(correlation_id=str(uuid4())), correlationid=str(uuid4())),
    "a correlation that is no UUID": message(envelope(), correlationid="x"),
    "a field too many": message(envelope(colour="red")),
    "data of another form": message(envelope(data={"title": "x"})),
    "a key twice": Message(
        TENANT.encode(),
        b'{"command_id": "x", "command_id": "y"}',
        message(envelope()).headers,
    ),
    "no JSON": binary(
        {"id": str(uuid4()), "source": SOURCE, "type": f"{TYPE_PREFIX}compact_dataset"},
        b"x",
        TENANT,
        "text/csv",
    ),
    "deep nesting": Message(TENANT.encode(), b"[" * 100_000, message(envelope()).headers),
    "a person without a name": message(envelope(), onbehalfof=""),
    "a person too long": message(envelope(), onbehalfof="p" * 201),
    "NUL in the reason": message(envelope(reason="a\x00b")),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_is_put_aside_as_it_came(desk, what):
    came = UNREADABLE[what]
    step = stepped(desk.bus, came)
    (answer,) = step.answers
    assert not answer.is_result
    assert (answer.key, answer.value) == (came.key, came.value)
    assert list(answer.headers[: len(came.headers)]) == list(came.headers)
    why = dict(answer.headers[len(came.headers) :])
    assert why["dlq-reason"] == b"malformed"
    assert why["dlq-detail"]
    assert (why["dlq-topic"], why["dlq-partition"], why["dlq-offset"]) == (b"commands", b"0", b"0")
    assert datetime.fromisoformat(why["dlq-time"].decode()).tzinfo
    assert step.next_offsets == {("commands", 0): 1}
    assert desk.log.head() == 0


@pytest.mark.parametrize(
    ("came", "reason"),
    [
        (message(envelope("make_coffee")), Reason.UNKNOWN_COMMAND),
        (message(envelope(), type="create_dataset"), Reason.UNKNOWN_COMMAND),
        (message(envelope(), source="/optaic/desk/stranger"), Reason.FOREIGN_TENANT),
        (message(envelope(), source="/optaic/other/datahub"), Reason.FOREIGN_TENANT),
        (message(envelope(), key="other"), Reason.FOREIGN_TENANT),
        (message(envelope())._replace(key=None), Reason.FOREIGN_TENANT),
        (message(envelope(data={**DATASET, "x": "y" * (1 << 20)})), Reason.OVERSIZED),
        *((message(envelope(name, {})), Reason.NOT_ALLOWED) for name in CLOSED),
    ],
)
def test_what_is_not_taken_is_put_aside_with_its_reason(desk, came, reason):
    (answer,) = stepped(desk.bus, came).answers
    assert (answer.is_result, answer.label) == (False, reason.value)
    assert (answer.key, answer.value) == (came.key, came.value)
    assert desk.log.head() == 0


def test_what_is_only_away_is_tried_again_in_its_place(desk):
    bodies = [envelope(data={**DATASET, "name": name}) for name in ("one", "two", "three")]
    for error in (LogBusy("full"), ConnectionError("gone")):
        bus = Failing(desk.bus, error, 3)
        step = stepped(bus, *map(message, bodies))
        assert [result(one)["outcome"] for one in step.answers] == ["accepted"] * 3
        assert bus.sent == ["one", "one", "one", "one", "two", "three"]


def test_what_is_not_answered_in_time_is_left_and_everything_of_its_key_behind_it(desk):
    bodies = [envelope(data={**DATASET, "name": name}) for name in ("one", "two")]
    foreign = message(envelope(), key="other")
    bus = Failing(desk.bus, LogBusy("full"), 100)
    step = stepped(bus, foreign, *map(message, bodies), foreign, pacing=Patient(3))
    assert bus.sent == ["one"] * 3
    assert step.left == step.next_offsets == {("commands", 0): 1}
    assert {one.record.offset for one in step.answers} <= {0, 3}


def test_a_command_on_which_the_service_fails_is_put_aside_and_others_go_on(desk):
    bus = Failing(desk.bus, ZeroDivisionError("a bug"), TRIES)
    bodies = [envelope(data={**DATASET, "name": name}) for name in ("one", "two")]
    bad, good = stepped(bus, *map(message, bodies)).answers
    assert (bad.is_result, bad.label) == (False, "failed")
    assert result(good)["outcome"] == "accepted"


def test_commands_of_a_key_keep_their_order_beside_a_pool(desk):
    sources = {
        f"/optaic/t{number}/hub": CommandSource(tenant=f"t{number}", principal="service:hub")
        for number in range(8)
    }
    sent = [(number % 8, envelope(data={**DATASET, "name": f"d-{number:03}"})) for number in range(160)]
    messages = [message(body, key=f"t{tenant}", source=f"/optaic/t{tenant}/hub") for tenant, body in sent]
    with ThreadPoolExecutor(8) as pool:
        intake = Intake(Reader(sources), desk.bus, ())
        step = intake.step(records(*messages), Patient(), pool.map)
    assert [one.record.offset for one in step.answers] == list(range(160))
    for tenant in range(8):
        names = [one.event.name for one in desk.since(0) if one.tenant == f"t{tenant}"]
        assert names == sorted(names)
        assert len(names) == 20
