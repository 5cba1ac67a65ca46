"""An activity's message: a CloudEvent for others, and the exact row for a restore."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.activity_log.record import Row, record_of
from infrastructure.kafka import cloud_events
from infrastructure.kafka.cloud_events import Message, MessageMalformed
from infrastructure.kafka.messages import MessageDamaged, from_message, record_hash, to_message

INT64 = 2**63 - 1
YEAR_9000_US = 221_845_392_000_000_000
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
ids = st.uuids().map(str)
rows: st.SearchStrategy[Row] = st.tuples(
    st.integers(1, INT64),
    ids,
    st.from_regex("[a-z0-9][a-z0-9-]{0,10}", fullmatch=True),
    ids,
    st.integers(1, INT64),
    texts,
    texts,
    st.sampled_from(["training_run.completed:1", "alert.raised:12", "of_no_version", ":3", "ü:x"]),
    texts,
    texts,
    st.none() | texts,
    st.none() | texts,
    ids,
    st.integers(0, 255),
    st.binary(max_size=32),
    ids,
    st.none() | ids,
    st.integers(0, YEAR_9000_US),
    st.binary(max_size=60),
)
epochs = st.from_regex("[a-z0-9]{4,12}", fullmatch=True)

ROW: Row = (
    7,
    "5c7c2a1e-0000-5000-8000-000000000001",
    "acme",
    "5c7c2a1e-0000-5000-8000-000000000002",
    3,
    "model_version",
    "spx-alpha@3",
    "model_version.promoted:2",
    "p_1",
    "api_key",
    None,
    "Schöne Zahlen: 100 % besser\nals zuvor",
    "5c7c2a1e-0000-4000-8000-000000000003",
    0,
    b"\x01" * 32,
    "5c7c2a1e-0000-4000-8000-000000000004",
    None,
    1_770_000_000_000_001,
    b'{"stage":"production"}',
)


def read(message: Message) -> Any:
    return from_message(message.headers, message.key, message.value)


@given(rows, st.integers(0, INT64), epochs)
def test_a_row_comes_back_from_its_message(row: Row, previous: int, epoch: str) -> None:
    found = read(to_message(row, previous, epoch))
    assert found == (row, previous, epoch)
    assert record_of(found.row) == record_of(row)
    assert (found.position, found.tenant) == (row[0], row[2])
    assert dict(to_message(row, previous, epoch).headers)["ce_recordhash"] == record_hash(row).encode()


@given(rows, st.integers(0, INT64), epochs, st.data())
def test_a_flipped_bit_is_noticed_wherever_it_is(
    row: Row, previous: int, epoch: str, data: st.DataObject
) -> None:
    key, value, headers = to_message(row, previous, epoch)
    parts = [key, value, *(text for _, text in headers)]
    index = data.draw(st.sampled_from([place for place, part in enumerate(parts) if part]))
    bit = data.draw(st.integers(0, 8 * len(parts[index]) - 1))
    changed = bytearray(parts[index])
    changed[bit // 8] ^= 1 << bit % 8
    parts[index] = bytes(changed)
    flipped = [(name, text) for (name, _), text in zip(headers, parts[2:], strict=True)]
    with pytest.raises((MessageDamaged, MessageMalformed)):
        from_message(flipped, parts[0], parts[1])


@given(st.data())
def test_a_header_that_is_missing_is_noticed(data: st.DataObject) -> None:
    message = to_message(ROW, 6, "first")
    gone = data.draw(st.sampled_from(message.headers))
    with pytest.raises((MessageDamaged, MessageMalformed)):
        from_message([one for one in message.headers if one != gone], message.key, message.value)


def test_a_header_of_others_may_come_along() -> None:
    message = to_message(ROW, 6, "first")
    message.headers.append(("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
    assert read(message).row == ROW


def test_a_message_without_key_or_value_is_no_activity() -> None:
    message = to_message(ROW, 6, "first")
    for key, value in ((None, message.value), (message.key, None)):
        with pytest.raises(MessageDamaged):
            from_message(message.headers, key, value)
    with pytest.raises(MessageMalformed):
        from_message(None, message.key, message.value)


def test_an_activity_is_a_cloud_event_to_others() -> None:
    message = to_message(ROW, 6, "first")
    event = from_binary(KafkaMessage(dict(message.headers), message.key, message.value), JSONFormat())
    assert event.get_id() == ROW[1]
    assert event.get_source() == "/optaic/acme/mlops"
    assert event.get_type() == "optaic.mlops.model_version.promoted"
    assert event.get_subject() == "model_version:spx-alpha@3"
    time = event.get_time()
    assert time is not None
    assert time.isoformat() == "2026-02-02T02:40:00.000001+00:00"
    assert event.get_data() == {"stage": "production"}
    extensions = {name: event.get_extension(name) for name in ("sequence", "previous", "partitionkey")}
    assert extensions == {
        "sequence": "00000000000000000007",
        "previous": "00000000000000000006",
        "partitionkey": "acme",
    }
    assert event.get_extension("schemaversion") == "2"
    assert event.get_extension("logepoch") == "first"
    assert event.get_extension("recordhash") == record_hash(ROW)


def test_names_of_attributes_are_lower_case_letters_and_digits() -> None:
    full = (*ROW[:10], "u_9", *ROW[11:16], str(UUID(int=5)), *ROW[17:])
    names = [name for name, _ in to_message(full, 6, "first").headers if name != "content-type"]
    assert len(names) == len(set(names)) == 28
    assert all(name.startswith("ce_") and name[3:].isalnum() and name.islower() for name in names)
    assert all(len(name) - 3 <= 20 for name in names)


def test_both_modes_of_an_event_read_the_same() -> None:
    attributes = {"id": "1", "source": "/s", "type": "t", "subject": None, "onbehalfof": "ü"}
    binary = cloud_events.binary(attributes, b'{"a":1}', "acme")
    structured = cloud_events.structured(attributes, {"a": 1}, "acme")
    found = [cloud_events.read(one.headers, one.value) for one in (binary, structured)]
    assert found[0] == found[1]
    assert (found[0].id, found[0].source, found[0].type) == ("1", "/s", "t")
    assert found[0].get("onbehalfof") == "ü"
    assert found[0].get("subject") is None
    assert binary.key == structured.key == b"acme"


def test_structured_data_may_be_base64_or_missing() -> None:
    plain = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "n": 5, "b": True}
    headers = [("Content-Type", b"application/cloudevents+json; charset=UTF-8")]
    with_bytes = cloud_events.read(headers, msgspec.json.encode({**plain, "data_base64": "AAE="}))
    assert (with_bytes.data, with_bytes.get("n"), with_bytes.get("b")) == (b"\x00\x01", "5", "true")
    assert cloud_events.read(headers, msgspec.json.encode(plain)).data == b""


STRUCTURED = [("content-type", b"application/cloudevents+json")]


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        (None, b"{}"),
        ([("ce_specversion", b"0.3"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t")], b"{}"),
        ([("ce_specversion", b"1.0"), ("ce_id", b""), ("ce_source", b"/s"), ("ce_type", b"t")], b"{}"),
        ([("ce_specversion", b"\xff")], b"{}"),
        (STRUCTURED, b"[]"),
        (STRUCTURED, b"{"),
        (STRUCTURED, b'{"specversion":"1.0","id":{},"source":"/s","type":"t"}'),
        (STRUCTURED, b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"*"}'),
        (STRUCTURED, b'{"specversion":"1.0","id":"\xff","source":"/s","type":"t"}'),
        (STRUCTURED, None),
    ],
)
def test_what_is_no_cloud_event_is_refused(headers: Any, value: bytes | None) -> None:
    with pytest.raises(MessageMalformed):
        cloud_events.read(headers, value)
