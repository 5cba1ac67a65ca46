"""The AsyncAPI 3 document of the four topics; docs/asyncapi.json is what it says.

FastStream writes channels and operations from a broker that declares them. It knows one payload a topic and
no headers; each event and each command becomes a message of its own here, with its headers and the schema
of its payload, which is the schema of the class that the code reads and writes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain.catalogue import COMMANDS, EVENTS
from domain.shared.command import Command, CommandMessage
from infrastructure.activity_log.reading import split_topic
from infrastructure.kafka import intake_reading, messages, results
from infrastructure.kafka.dead_letters import Reason
from infrastructure.kafka.results import CommandResult
from infrastructure.kafka.topics import TOPICS

Json = dict[str, Any]
VERSION = "1"
REF = "#/components/schemas/{name}"
_DESCRIPTION = """What OptAIC MLOps says and hears on Kafka: CloudEvents 1.0, key = tenant, partitioner \
murmur2 (Java's default). Unknown headers and new optional fields may appear at any time: pass over them."""
_TEXT: Json = {"type": "string"}
_UUID: Json = {"type": "string", "format": "uuid"}
_UUID_OR_NULL: Json = {"type": ["string", "null"], "format": "uuid"}
_POSITION: Json = {"type": "string", "pattern": "^[0-9]{20}$"}


def page() -> str:
    """docs/asyncapi.json."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def document() -> Json:
    """The whole document, always the same for the same code."""
    found = _of_faststream()
    schemas = schemas_of()
    described = {
        "activity": {name: _event(name, schemas["events"][name]) for name in sorted(EVENTS)},
        "commands": {name: _command(of, schemas["commands"][name]) for name, of in from_outside().items()},
        "results": {"command_result": _result(schemas["result"])},
        "deadLetters": {"dead_letter": _dead_letter()},
    }
    found["components"] = {"schemas": schemas["parts"], "messages": {}}
    for channel, of_channel in described.items():
        _put(found, channel, {name.replace(":", ".v"): one for name, one in of_channel.items()})
    return found


def from_outside() -> dict[str, type[Command]]:
    """The commands that other services may send, by name."""
    return {name: of for name, of in sorted(COMMANDS.items()) if not of.INTERNAL and not of.WORKER}


def schemas_of() -> Json:
    """JSON Schemas: `events` by topic, `commands` by name, `result`, and `parts` that they refer to."""
    commands = from_outside()
    classes = [*(EVENTS[name] for name in sorted(EVENTS)), *commands.values(), CommandResult]
    references, parts = msgspec.json.schema_components(classes, ref_template=REF)
    return {
        "events": dict(zip(sorted(EVENTS), references, strict=False)),
        "commands": dict(zip(commands, references[len(EVENTS) :], strict=False)),
        "result": references[-1],
        "parts": parts,
    }


def _of_faststream() -> Json:
    from faststream.confluent import KafkaBroker
    from faststream.specification.asyncapi import AsyncAPI

    broker = KafkaBroker("kafka:9092", logger=None)
    says = (
        (TOPICS.activity, "activity", "Every event, in the order of the log within a tenant; kept for ever."),
        (TOPICS.results, "results", "What became of each command; may repeat, and then says the same."),
        (
            TOPICS.dead_letters,
            "deadLetters",
            "Messages that were no commands, as they came, with the reason.",
        ),
    )
    for topic, title, description in says:
        broker.publisher(topic, title=title, description=description)
    heard = "Commands of other services; one effect a command id, in order within a tenant."
    broker.subscriber(TOPICS.commands, group_id="-", title="commands", description=heard)(_heard)
    said = AsyncAPI(
        broker, title="OptAIC MLOps", version=VERSION, description=_DESCRIPTION, schema_version="3.0.0"
    )
    return json.loads(said.to_specification().to_json())


async def _heard(message: Any) -> None:
    del message


def _put(document: Json, channel: str, described: Mapping[str, Json]) -> None:
    """Give a channel and its operation their messages."""
    references = {name: {"$ref": f"#/components/messages/{channel}.{name}"} for name in described}
    document["channels"][channel]["messages"] = references
    for name, message in described.items():
        document["components"]["messages"][f"{channel}.{name}"] = message
    operation = document["operations"][channel]
    operation["messages"] = [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in described]


def _event(topic: str, payload: Json) -> Json:
    action, version = split_topic(topic)
    headers = {
        "ce_id": _UUID,
        "ce_type": {"const": messages.TYPE_PREFIX + action},
        "ce_schemaversion": {"const": str(version)},
        "ce_topic": {"const": topic},
        "ce_sequence": {**_POSITION, "description": "the position in the log"},
        "ce_previous": {**_POSITION, "description": "the position of the tenant's event before this one"},
        **dict.fromkeys(("ce_correlationid", "ce_commandid"), _UUID),
        **dict.fromkeys(("ce_logepoch", "ce_resourcetype", "ce_resourceid", "ce_streamversion"), _TEXT),
        **dict.fromkeys(("ce_actor", "ce_recordhash", "ce_linkhash"), _TEXT),
    }
    optional = {"ce_causationid": _UUID, "ce_onbehalfof": _TEXT, "ce_reason": _TEXT}
    return _message(f"{action}, form {version}", headers, optional, payload)


def _command(of: type[Command], data: Json) -> Json:
    reason = {"reason": _TEXT} if of.NEEDS_REASON else {"reason": {"type": ["string", "null"]}}
    headers = {"ce_id": {**_UUID, "description": "the command id"}}
    headers["ce_type"] = {"const": intake_reading.TYPE_PREFIX + of.TYPE}
    optional = {"ce_correlationid": _UUID, "ce_causationid": _UUID, "ce_reason": _TEXT}
    optional["ce_onbehalfof"] = {**_TEXT, "description": "recorded, never authorised by"}
    fields = {
        "command_id": {**_UUID, "description": "the same as ce_id"},
        "type": {"const": of.TYPE},
        "data": data,
        "expected_versions": {"type": "object", "additionalProperties": {"type": "integer"}},
        **reason,
        **dict.fromkeys(("correlation_id", "causation_id"), _UUID_OR_NULL),
    }
    payload = _object(fields, ["command_id", "type", "data", *(["reason"] if of.NEEDS_REASON else [])])
    assert set(fields) == set(CommandMessage.__struct_fields__)
    summary = " ".join((of.__doc__ or "").split())
    return _message(of.TYPE, headers, optional, {**payload, "additionalProperties": False}, summary)


def _result(payload: Json) -> Json:
    headers = {
        "ce_id": {**_UUID, "description": "the same when the result is told again"},
        "ce_type": {"const": results.TYPE},
        "ce_subject": {**_UUID, "description": "the command id"},
        **dict.fromkeys(("ce_correlationid", "ce_causationid"), _UUID),
    }
    return _message("What became of a command", headers, {}, payload)


def _dead_letter() -> Json:
    headers: Json = {"dlq-reason": {"enum": [one.value for one in Reason]}}
    headers |= dict.fromkeys(("dlq-detail", "dlq-topic", "dlq-partition", "dlq-offset", "dlq-time"), _TEXT)
    whole = {"title": "A message as it came", "headers": _object(headers, list(headers)), "payload": {}}
    return {**whole, "contentType": "application/octet-stream"}


def _message(title: str, headers: Json, optional: Json, payload: Json, summary: str | None = None) -> Json:
    common: Json = {
        "ce_specversion": {"const": "1.0"},
        "ce_source": {**_TEXT, "pattern": "^/optaic/[^/]+/[^/]+$"},
        "content-type": {"const": "application/json"},
    }
    required = [*common, *headers]
    message: Json = {"title": title, "contentType": "application/json", "payload": payload}
    if summary:
        message["summary"] = summary
    message["correlationId"] = {"location": "$message.header#/ce_correlationid"}
    return {**message, "headers": _object({**common, **headers, **optional}, required)}


def _object(properties: Mapping[str, Any], required: Sequence[str]) -> Json:
    return {"type": "object", "properties": dict(properties), "required": sorted(required)}
