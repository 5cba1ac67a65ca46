"""Identity: names, hashes, references, and ids that follow from them."""

import pkgutil
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import application
import domain
from domain.catalogue import COMMANDS, EVENT_CLASSES, EVENTS
from domain.dataset.declaration import Column
from domain.run.pins import MetricName
from domain.shared.activity import StreamKey
from domain.shared.errors import ReferenceMalformed, RuleBroken
from domain.shared.ids import (
    Name,
    RunId,
    Sha256,
    command_id_of_key,
    event_id,
    event_id_text,
    policy_command_id,
    uuid7,
)
from domain.shared.references import DefinitionRef, NodeRef, VersionRef
from domain.shared.text import Tag
from domain.shared.times import Instant, from_micros, to_micros
from tests.support.valid import RUN, digest


def accepts(kind: Any, text: str) -> bool:
    try:
        return msgspec.convert(text, kind) == text
    except msgspec.ValidationError:
        return False


@pytest.mark.parametrize("good", ["ab", "spx-alpha", "0x", "a" * 63])
def test_a_name_is_two_to_63_of_letters_digits_and_dashes(good: str) -> None:
    assert accepts(Name, good)


@pytest.mark.parametrize(
    "bad", ["a", "", "-a", "Ab", "a_b", "a.b", "a" * 64, "ab\n", "ab ", "äb", "a/b", "a\x00b"]
)
def test_another_name_is_refused(bad: str) -> None:
    assert not accepts(Name, bad)


@pytest.mark.parametrize(
    ("kind", "good"),
    [(Sha256, digest("x")), (RunId, RUN), (Tag, "team:alpha"), (MetricName, "valid/rank_ic")],
)
def test_no_identity_ends_in_a_line_break(kind: Any, good: str) -> None:
    assert accepts(kind, good)
    assert not accepts(kind, good + "\n")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "close\n", "type": "float64"}, Column)


@pytest.mark.parametrize("text", ["spx-alpha@1", "us-prices@999999999"])
def test_a_version_reference_is_read_as_it_is_written(text: str) -> None:
    assert str(VersionRef.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["spx-alpha", "spx-alpha@0", "spx-alpha@01", "spx-alpha@-1", "@1", "a@1\n", "ab@1@2"]
)
def test_a_malformed_version_reference_is_refused(text: str) -> None:
    with pytest.raises(ReferenceMalformed):
        VersionRef.parse(text)


@pytest.mark.parametrize("text", ["xgb-signal@1.2.0", "xgb-signal@0.0.1-rc.1"])
def test_a_definition_reference_is_read_as_it_is_written(text: str) -> None:
    assert str(DefinitionRef.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["xgb-signal", "xgb-signal@1.2", "xgb-signal@01.2.0", "xgb-signal@1.2.0+build"]
)
def test_a_malformed_definition_reference_is_refused(text: str) -> None:
    with pytest.raises(ReferenceMalformed):
        DefinitionRef.parse(text)


@pytest.mark.parametrize(
    "text", ["model_version:spx-alpha@3", "dataset_version:us-prices@12", f"training_run:{RUN}"]
)
def test_a_lineage_node_is_read_as_it_is_written(text: str) -> None:
    assert str(NodeRef.parse(text)) == text


@pytest.mark.parametrize("text", ["model_version:spx-alpha", "model:spx-alpha@3", "training_run:1", "", ":"])
def test_a_malformed_lineage_node_is_refused(text: str) -> None:
    with pytest.raises(ReferenceMalformed):
        NodeRef.parse(text)


def test_a_stream_is_named_by_tenant_type_and_name_and_a_run_by_itself() -> None:
    ids = {
        StreamKey(kind, name).id(tenant)
        for kind in ("dataset", "model_instance")
        for name in ("aa", "bb")
        for tenant in ("t1", "t2")
    }
    assert len(ids) == 8
    assert StreamKey("run", RUN).id("t1") == UUID(RUN)


@given(st.uuids(), st.text(), st.integers(0, 300))
def test_the_text_of_an_event_id_is_its_uuid(command_id, tenant, ordinal):
    assert event_id_text(tenant, command_id, ordinal) == str(event_id(tenant, command_id, ordinal))


def test_ids_of_events_policies_and_keys_are_the_same_when_made_again() -> None:
    cause = uuid4()
    assert event_id("t", cause, 0) == event_id("t", cause, 0) != event_id("t", cause, 1)
    assert policy_command_id("promotion", cause) == policy_command_id("promotion", cause)
    assert command_id_of_key("t", "p_1", "K") != command_id_of_key("t", "p_2", "K")


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**74 - 1))
def test_a_run_id_is_a_uuid_of_version_seven_ordered_by_time(unix_ms: int, bits: int) -> None:
    made = uuid7(unix_ms, bits)
    assert accepts(RunId, str(made))
    assert made.int >> 80 == unix_ms


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_microseconds_are_exact_both_ways(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment
    assert to_micros(moment + timedelta(microseconds=1)) == to_micros(moment) + 1


def test_a_time_without_an_offset_is_refused_where_it_is_decoded() -> None:
    assert accepts(Instant, "2026-03-14T17:00:00Z") is False  # decoded to a time, not to the text
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("2026-03-14T17:00:00", Instant)


def test_every_event_has_topics_of_its_own() -> None:
    assert len(EVENTS) == sum(len(cls.ACTIONS) for cls in EVENT_CLASSES)
    assert all(cls.ACTIONS and cls.__doc__ for cls in EVENT_CLASSES)
    assert all(name == cls.TYPE and cls.__doc__ for name, cls in COMMANDS.items())


def test_every_rule_has_a_code_of_its_own_a_sentence_and_a_remedy() -> None:
    for root in (domain, application):
        for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            import_module(module.name)
    rules = [cls for cls in _rules(RuleBroken) if cls.__module__.startswith(("domain.", "application."))]
    codes = [cls.code for cls in rules]
    assert sorted(set(codes)) == sorted(codes)
    assert all(cls.__doc__ and cls.remedy != RuleBroken.remedy for cls in rules)
    assert all(RuleBroken.catalogue[cls.code] is cls for cls in rules)


def _rules(base: type[RuleBroken]) -> list[type[RuleBroken]]:
    return [rule for cls in base.__subclasses__() for rule in (cls, *_rules(cls))]
