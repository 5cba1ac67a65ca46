"""Recorded events in a file, one msgpack array an event, for processes that must all see the same log."""

from pathlib import Path

import msgspec

from domain.catalogue import EVENTS
from domain.shared.activity import RecordedEvent
from tests.projections.support.memory_log import MemoryLog


def store(log: MemoryLog, path: Path) -> None:
    bare = [msgspec.structs.replace(recorded, event=None) for recorded in log.events]
    path.write_bytes(msgspec.msgpack.encode(bare))


def load(path: Path) -> MemoryLog:
    log = MemoryLog()
    for fields in msgspec.msgpack.decode(path.read_bytes()):
        fields["event"] = None
        recorded = msgspec.convert(fields, RecordedEvent)
        topic = EVENTS[f"{recorded.action}:{recorded.schema_version}"]
        event = msgspec.json.decode(recorded.payload, type=topic)
        log.events.append(msgspec.structs.replace(recorded, event=event))
    return log
