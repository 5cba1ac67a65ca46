"""The AsyncAPI document holds together, its examples are taken, and published schemas do not break."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import jsonschema
import msgspec
import pytest

from docs.kafka_page import DATA, attributes, example
from domain.catalogue import EVENTS
from infrastructure.kafka import asyncapi
from infrastructure.kafka.asyncapi_changes import breaking_changes, published
from infrastructure.kafka.cloud_events import binary, structured
from infrastructure.kafka.dead_letters import Reason, Record
from infrastructure.kafka.intake import Intake
from infrastructure.kafka.intake_reading import Reader
from infrastructure.kafka.messages import from_message, to_message
from infrastructure.kafka.topics import TOPICS
from infrastructure.settings import CommandSource
from tests.kafka.test_intake_step import Patient
from tests.support.desk import Desk

DOCUMENT = asyncapi.document()
SOURCES = {"/optaic/acme/datahub": CommandSource(tenant="acme", principal="service:datahub")}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(whole)


def message_of(channel: str, name: str) -> dict[str, Any]:
    return DOCUMENT["components"]["messages"][f"{channel}.{name}"]


def test_the_document_is_asyncapi_3_with_the_four_topics_and_who_does_what() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["title"]
    assert {name: of["address"] for name, of in DOCUMENT["channels"].items()} == {
        "activity": TOPICS.activity,
        "commands": TOPICS.commands,
        "results": TOPICS.results,
        "deadLetters": TOPICS.dead_letters,
    }
    assert {name: of["action"] for name, of in DOCUMENT["operations"].items()} == {
        "activity": "send",
        "commands": "receive",
        "results": "send",
        "deadLetters": "send",
    }


def test_every_reference_leads_somewhere_and_every_name_is_allowed() -> None:
    for reference in references(DOCUMENT):
        assert resolve(reference)
    for kind in DOCUMENT["components"].values():
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in kind)


def test_every_event_and_every_command_from_outside_is_a_message_of_its_channel() -> None:
    activity = DOCUMENT["channels"]["activity"]["messages"]
    assert set(activity) == {name.replace(":", ".v") for name in EVENTS}
    assert set(DOCUMENT["channels"]["commands"]["messages"]) == set(asyncapi.from_outside())


@pytest.mark.parametrize("name", asyncapi.from_outside())
def test_the_example_of_a_command_is_as_the_document_says_and_is_taken(name, tmp_path) -> None:
    described = message_of("commands", name)
    sent = binary(attributes(name), msgspec.json.encode(example(name)), "acme")
    headers = {header: value.decode() for header, value in sent.headers}
    validator(described["headers"]).validate(headers)
    validator(described["payload"]).validate(example(name))
    both = [sent, structured(attributes(name), example(name), "acme")]
    with Desk(tmp_path) as desk:
        intake = Intake(Reader(SOURCES), desk.bus, ())
        records = [Record("commands", 0, offset, *one) for offset, one in enumerate(both)]
        first, again = intake.step(records, Patient()).answers
        assert first.is_result
        assert first.value == again.value
    result = msgspec.json.decode(first.value or b"")
    assert result["command_id"] == example(name)["command_id"]
    said = message_of("results", "command_result")
    validator(said["payload"]).validate(result)
    validator(said["headers"]).validate({key: value.decode() for key, value in first.headers})


def test_every_command_from_outside_has_an_example_and_no_other_has() -> None:
    assert set(DATA) == set(asyncapi.from_outside())


def test_events_on_kafka_are_as_the_document_says(tmp_path) -> None:
    with Desk(tmp_path) as desk:
        desk.ready()
        desk.promoted()
        rows = list(desk.log.rows(0, 1_000))
    assert len({row[7] for row in rows}) > 8
    for row in rows:
        message = to_message(row, 0, "epoch")
        assert from_message(message.headers, message.key, message.value).row == row
        described = message_of("activity", row[7].replace(":", ".v"))
        validator(described["headers"]).validate({key: value.decode() for key, value in message.headers})
        validator(described["payload"]).validate(json.loads(message.value))


def test_reasons_of_dead_letters_are_listed() -> None:
    headers = message_of("deadLetters", "dead_letter")["headers"]
    assert headers["properties"]["dlq-reason"]["enum"] == [one.value for one in Reason]


def test_ids_of_examples_are_command_ids() -> None:
    assert len({UUID(example(name)["command_id"]) for name in DATA}) == len(DATA)


# --- published schemas ---


def test_nothing_that_is_published_breaks() -> None:
    broken = breaking_changes(published(), asyncapi.schemas_of())
    assert broken == [], "others rely on these: give the event a new form, or the command a new name"


def test_everything_is_published() -> None:
    present, known = asyncapi.schemas_of(), published()
    missing = [one for kind in ("events", "commands") for one in present[kind].keys() - known[kind].keys()]
    assert missing == [], "run `python -m infrastructure.kafka.asyncapi_changes` and commit"


OBJECT: dict[str, Any] = {
    "title": "Thing",
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "count": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "mood": {"enum": ["bad", "good"]},
        "part": {"$ref": "#/components/schemas/Part"},
        "list": {"type": "array", "items": {"type": "number"}},
    },
    "required": ["name", "mood"],
    "additionalProperties": False,
}
PART: dict[str, Any] = {
    "title": "Part",
    "type": "object",
    "properties": {"size": {"type": "integer", "minimum": 1}, "of": {"$ref": "#/components/schemas/Thing"}},
    "required": ["size"],
}


def schemas() -> dict[str, Any]:
    thing = {"$ref": "#/components/schemas/Thing"}
    parts = copy.deepcopy({"Thing": OBJECT, "Part": PART})
    return {
        "events": {"thing.made:1": thing},
        "commands": {"make_thing": thing},
        "result": {},
        "parts": parts,
    }


def changed(change: Any) -> set[str]:
    new = schemas()
    change(new["parts"]["Thing"]["properties"], new["parts"]["Thing"], new["parts"]["Part"])
    return set(breaking_changes(schemas(), new))


def test_nothing_changed_breaks_nothing() -> None:
    assert breaking_changes(schemas(), schemas()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda fields, thing, part: fields.update(colour={"type": "string"}),
        lambda fields, thing, part: part["properties"].update(weight={"type": "number"}),
        lambda fields, thing, part: thing.update(title="Other", description="text"),
        lambda fields, thing, part: fields["mood"]["enum"].append("better"),
        lambda fields, thing, part: fields["name"].update(maxLength=40),
    ],
)
def test_what_only_adds_breaks_nothing(change) -> None:
    assert changed(change) == set()


EVENT, COMMAND = "thing.made:1", "make_thing"


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda f, t, p: f.pop("count"), {f"{EVENT}.count: is gone", f"{COMMAND}.count: is refused now"}),
        (
            lambda f, t, p: f.update(count={"type": "integer"}),
            {f"{COMMAND}.count: may not be null any more"},
        ),
        (
            lambda f, t, p: f.update(name={"anyOf": [{"type": "string", "maxLength": 20}, {"type": "null"}]}),
            {f"{EVENT}.name: may be null now"},
        ),
        (
            lambda f, t, p: f.update(name={"type": "integer"}),
            {
                f"{EVENT}.name: may be integer now",
                f"{EVENT}.name: is never string any more",
                f"{COMMAND}.name: may not be string any more",
            },
        ),
        (lambda f, t, p: t["required"].append("count"), {f"{COMMAND}.count: is required now"}),
        (lambda f, t, p: t["required"].remove("name"), {f"{EVENT}.name: may be left out now"}),
        (lambda f, t, p: f["mood"]["enum"].remove("bad"), {f"{COMMAND}.mood: 'bad' is refused now"}),
        (lambda f, t, p: f["name"].update(maxLength=5), {f"{COMMAND}.name: maxLength was 20, is 5"}),
        (lambda f, t, p: f["name"].update(minLength=1), {f"{COMMAND}.name: minLength was None, is 1"}),
        (lambda f, t, p: f["name"].update(pattern="x"), {f"{COMMAND}.name: pattern was None, is 'x'"}),
        (
            lambda f, t, p: f["list"].update(items={"type": "string"}),
            {
                f"{EVENT}.list[]: may be string now",
                f"{EVENT}.list[]: is never number any more",
                f"{COMMAND}.list[]: may not be number any more",
            },
        ),
        (
            lambda f, t, p: p["properties"].pop("size"),
            {f"{EVENT}.part.size: is gone"},
        ),
        (
            lambda f, t, p: p["properties"]["size"].update(minimum=2),
            {f"{COMMAND}.part.size: minimum was 1, is 2"},
        ),
    ],
)
def test_what_takes_away_is_named(change, broken) -> None:
    assert changed(change) == broken


def test_events_and_commands_that_are_gone_are_named() -> None:
    assert breaking_changes(schemas(), {**schemas(), "events": {}, "commands": {}}) == [
        f"{EVENT}: is gone",
        f"{COMMAND}: is gone",
    ]
