"""docs/kafka.md: how another service sends commands, with a valid example of each.

The examples are real: a test sends each one through the intake.
"""

import json
from typing import Any
from uuid import UUID, uuid5

from domain.catalogue import COMMANDS
from infrastructure.kafka.dead_letters import Reason
from infrastructure.kafka.intake_reading import TYPE_PREFIX

TENANT = "acme"
SOURCE = "/optaic/acme/datahub"
_EXAMPLES = UUID("6f1d7c1e-3a5b-5c0e-9d43-0f7a4c1b2e88")
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_RUN = "01920000-0000-7000-8000-000000000001"
_VERSION = {"instance": "spx-alpha", "number": 3}
_DEFINITION = {"name": "xgb-signal", "version": "1.2.0"}

DATA: dict[str, dict[str, Any]] = {
    "submit_definition": {"package_sha256": _SHA256},
    "evaluate_definition": _DEFINITION,
    "publish_definition": _DEFINITION,
    "deprecate_definition": _DEFINITION,
    "create_instance": {
        "name": "spx-alpha",
        "definition": "xgb-signal@1.2.0",
        "training_datasets": [{"dataset": "us-prices", "role": "prices"}],
        "schedules": [{"kind": "inference", "cron": "0 18 * * 1-5", "timezone": "America/New_York"}],
    },
    "update_instance": {"name": "spx-alpha", "description": "Long-short, weekly", "tags": ["us-equity"]},
    "archive_instance": {"name": "spx-alpha"},
    "submit_run": {"instance": "spx-alpha", "kind": "training", "as_of": "2026-03-14T17:00:00Z"},
    "cancel_run": {"run_id": _RUN},
    "backfill_instance": {
        "instance": "spx-alpha",
        "first": "2005-01-01",
        "last": "2022-12-31",
        "refit": "1y",
    },
    "retry_run": {"run_id": _RUN},
    "reproduce_run": {"run_id": _RUN},
    "stage_version": _VERSION,
    "promote_version": _VERSION,
    "rollback_version": {"instance": "spx-alpha"},
    "archive_version": _VERSION,
    "annotate_version": {**_VERSION, "description": "Trained without the week of the outage"},
    "purge_version_artifact": _VERSION,
    "raise_alert": {
        "instance": "spx-alpha",
        "rule": "drift-share-gt",
        "metric": "drift.share",
        "value": 0.75,
        "run_id": _RUN,
    },
    "acknowledge_alert": {"alert_id": "0f8fad5bd9cb569fa16570867728950e-2"},
    "resolve_alert": {"alert_id": "0f8fad5bd9cb569fa16570867728950e-2"},
    "create_dataset": {
        "name": "us-prices",
        "declaration": {"columns": [{"name": "close", "type": "float64"}], "calendar": "XNYS"},
    },
    "write_dataset_version": {"dataset": "us-prices", "blob_sha256": _SHA256},
    "register_dataset_version": {
        "dataset": "us-prices",
        "files": [{"location": "lake", "key": "us/2026-03-13.parquet", "sha256": _SHA256, "rows": 503}],
        "knowledge_first": "2026-03-13T21:00:00Z",
        "knowledge_last": "2026-03-13T21:00:00Z",
        "producer": {"service": "datahub", "run": "2026-03-13"},
    },
    "compact_dataset": {"dataset": "us-prices"},
    "purge_dataset_version": {"dataset": "us-prices", "number": 12},
}
"""Command → valid data; a test fails when a command that may come from outside is missing."""

INTRO = """# Kafka: commands of other services, their results, and events

Four topics carry everything; [asyncapi.json](asyncapi.json) (AsyncAPI 3) describes each message with its
headers and the schema of its payload, and `docs/schemas/published.json` holds the schemas that others rely
on: a test refuses changes that would break them. All messages are CloudEvents 1.0, all keys are the tenant,
and the partitioner is Java's murmur2 (`partitioner=murmur2_random` in librdkafka; the default of Java and
kafka-python).

| Topic | Who writes | What |
|---|---|---|
| `optaic.mlops.activity.v1` | the relay | every event, a tenant's in the order of the log; kept for ever |
| `optaic.mlops.commands.v1` | other services | commands; 30 days |
| `optaic.mlops.command-results.v1` | the intake | what became of each command; 30 days |
| `optaic.mlops.commands.dlq.v1` | the intake | messages that were no commands, as they came; kept for ever |

## Sending a command

From Python, `pip install optaic-mlops[kafka]` and [optaic.mlops.commands](sdk.md#optaicmlopscommands):

```python
from optaic.mlops.commands import CommandPublisher

with CommandPublisher("kafka:9092", tenant="acme", service="datahub", on_behalf_of="p_ada") as commands:
    sent = commands.send("promote_version", {"instance": "spx-alpha", "number": 3}, reason="it is better")
    result = commands.wait_for_result(sent)
```

From anything else: a record with the tenant as key, in one of the two modes of the CloudEvents binding.

- **The data is one envelope, the same as of `POST /commands`:** `command_id`, `type`, `data`, and where
  wanted `expected_versions` (`{"dataset:us-prices": 4}`: refused unless the stream is at that version),
  `reason`, `correlation_id`, `causation_id`. At most 1 MiB.
- **Attributes:** `id` is the command id (a UUID), `type` is `optaic.mlops.command.` + the envelope's type,
  `source` says who sends. `correlationid`, `causationid` and `reason` may stand there instead of, or
  beside, their fields in the envelope. What both name must be the same, else the message is malformed.
- `onbehalfof`, an attribute only, names the person for whom the service acts: recorded with the events,
  never authorised by.
- Binary mode: attributes as headers `ce_…`, the envelope as value. Structured mode: `content-type:
  application/cloudevents+json` and the whole event as value.

**Trust.** Who may write to the topic is the broker's access list; it is the credential. The setting
`OPTAIC_MLOPS_COMMAND_SOURCES` says whose commands come from which source, and in which name they are done:
`{"/optaic/acme/datahub": {"tenant": "acme", "principal": "service:datahub"}}`. A source that is not there,
or a key that is not its tenant, is put aside as `foreign_tenant`. A service that is named there may do
whatever a writer and an operator may, except what belongs to the service itself or to a run's worker.
Packages and rows do not travel on Kafka: `POST /blobs` stores them, or a named location holds them, and the
command names their SHA-256.

## What a sender can rely on

- **One effect a command id**, however often the command is sent or delivered. A sender that does not know
  whether its message arrived sends it again with the same id.
- **Order**: commands of a tenant are decided in the order of their partition. A command that has to wait
  (the database is away, the queue is full) holds those behind it.
- **At least one result**, on `optaic.mlops.command-results.v1`, written before the command's offset is
  committed. After a crash or a rebalance it may come again: then it says the same, with the same `ce_id`.
- The same id with another body is refused with `command.id_reused`, and changes nothing.

A result is `{command_id, outcome, code?, problem?, position?, refs, versions}`. `outcome` is `accepted`,
`unchanged` (everything was as asked already) or `refused`; a refusal has the `code` of the broken rule
([errors.md](errors.md)) and the same `problem` as over HTTP, in which a gate's report is. `position` is the
last position of the command's events, and `after=<position>` waits for it in queries; of a refusal it says
where the log stood.

## Dead letters

What is no command goes to `optaic.mlops.commands.dlq.v1` with its key, bytes and headers as they came, and
the headers `dlq-reason`, `dlq-detail`, `dlq-topic`, `dlq-partition`, `dlq-offset`, `dlq-time` (of a message
that is put aside twice, the last of a name counts). It has no result. Mend the cause and send the message
again.

| Reason | Meaning |
|---|---|
"""

_MEANINGS = {
    Reason.MALFORMED: "no CloudEvent, no envelope, fields that the command has not, or both places disagree",
    Reason.OVERSIZED: "more than 1 MiB",
    Reason.UNKNOWN_COMMAND: "no command has this type",
    Reason.FOREIGN_TENANT: "the settings do not name the source, or the key is not its tenant",
    Reason.NOT_ALLOWED: "a command of the service itself or of a run's worker",
    Reason.FAILED: "the service failed on it five times: a defect of ours; look for its id in the log",
}


def kafka_page() -> str:
    """The whole page."""
    reasons = "\n".join(f"| `{one.value}` | {_MEANINGS[one]} |" for one in Reason)
    head = "\n## Commands\n\nThe fields of each are in [commands.md](commands.md).\n"
    return f"{INTRO}{reasons}\n{head}\n" + "\n".join(_section(name) for name in DATA)


def example(name: str) -> dict[str, Any]:
    """A valid envelope."""
    envelope: dict[str, Any] = {"command_id": str(uuid5(_EXAMPLES, name)), "type": name, "data": DATA[name]}
    return {**envelope, "reason": "Agreed in the weekly review"} if COMMANDS[name].NEEDS_REASON else envelope


def attributes(name: str) -> dict[str, str]:
    """The CloudEvents attributes of the example."""
    return {"id": example(name)["command_id"], "source": SOURCE, "type": TYPE_PREFIX + name}


def _section(name: str) -> str:
    doc = " ".join((COMMANDS[name].__doc__ or "").split())
    headers = "\n".join(
        f"{header}: {value}"
        for header, value in {
            "ce_specversion": "1.0",
            **{f"ce_{key}": value for key, value in attributes(name).items()},
            "content-type": "application/json",
        }.items()
    )
    body = json.dumps(example(name), indent=1)
    return f"### {name}\n\n{doc}\n\n```text\nkey: {TENANT}\n{headers}\n```\n\n```json\n{body}\n```\n"
