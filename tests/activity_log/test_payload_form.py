"""Payload bytes: finite numbers, one deterministic encoding, old forms upcast, unknown topics left alone."""

import math
from typing import ClassVar

import pytest

from application.ports import StreamWrite
from domain.ml_module_def.events import DefinitionPublished
from domain.run.events import RunCompleted, RunMetricsLogged
from domain.run.pins import MetricPoint
from domain.shared.activity import Event
from infrastructure.activity_log import open_activity_log
from infrastructure.activity_log.errors import (
    EventPayloadNotFinite,
    EventPayloadUnencodable,
    LogTopicUnknown,
)
from infrastructure.activity_log.payload import Decoder, encode_payload
from infrastructure.activity_log.upcasting import UPCASTS, Step, upcast
from tests.activity_log.scenes import TickingClock, definition, envelope, how_many, published, write


def completed(facts):
    return RunCompleted(
        run_id="r",
        kind="training",
        instance="spx-alpha",
        metrics={},
        artifact=None,
        model_version=None,
        dataset_version=None,
        facts=facts,
        log_sha256=None,
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_and_its_place_named(log, value):
    event = RunMetricsLogged(
        run_id="r",
        kind="training",
        instance="spx-alpha",
        points=(MetricPoint(name="loss", step=0, value=value),),
    )
    with pytest.raises(EventPayloadNotFinite) as refused:
        log.append(envelope(), [StreamWrite(definition(), 0, (published(), event))])
    assert refused.value.facts["path"] == "points.0.value"
    assert log.head() == 0


def test_a_number_that_is_not_finite_is_found_deep_in_plain_json():
    with pytest.raises(EventPayloadNotFinite) as refused:
        encode_payload(completed({"a": [None, {"b": math.nan}]}))
    assert refused.value.facts["path"] == "facts.a.1.b"


def test_nothing_at_all_is_no_number():
    assert b'"facts":{"a":null}' in encode_payload(completed({"a": None}))


def test_the_order_of_a_dict_does_not_change_the_bytes():
    assert encode_payload(completed({"a": 1, "b": 2})) == encode_payload(completed({"b": 2, "a": 1}))


@pytest.mark.parametrize("value", [object(), "\ud800", {1j: 2}])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(EventPayloadUnencodable):
        encode_payload(completed({"a": value}))


def test_an_envelope_that_is_no_text_is_refused_before_it_meets_others(log):
    with pytest.raises(EventPayloadUnencodable):
        log.append(envelope(reason="\udfff"), [write()])


class Renamed(Event, frozen=True, kw_only=True):
    """Form 3 of a fake event whose field was called `title`, then `label`."""

    ACTIONS: ClassVar = ("fake.renamed",)
    SCHEMA_VERSION: ClassVar = 3
    name: str
    count: int


CHAIN = {
    "fake.renamed:1": Step("fake.renamed:2", lambda old: {"label": old["title"]}),
    "fake.renamed:2": Step("fake.renamed:3", lambda old: {"name": old["label"], "count": 0}),
}
DECODER = Decoder({"fake.renamed:3": Renamed}, CHAIN)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("fake.renamed:1", b'{"title":"x"}'),
        ("fake.renamed:2", b'{"label":"x"}'),
        ("fake.renamed:3", b'{"name":"x","count":0}'),
    ],
)
def test_every_older_form_is_upcast_to_the_present_one(topic, payload):
    assert DECODER.decode(topic, payload) == Renamed(name="x", count=0)


def test_an_unknown_topic_decodes_to_nothing():
    assert DECODER.decode("fake.renamed:4", b"{}") is None
    assert upcast("fake.other:1", dict, CHAIN) is None


def test_no_event_has_changed_its_form_yet():
    assert UPCASTS == {}


def test_an_event_of_a_later_release_is_read_without_its_meaning_and_never_decided_on(log_path):
    with open_activity_log(log_path, TickingClock()) as log:
        log.append(envelope(), [write()])
    with open_activity_log(log_path, TickingClock(), decoder=DECODER) as log:
        (event,) = log.read(0, 1)
        assert (event.event, event.action) == (None, "ml_module_def.published")
        with pytest.raises(LogTopicUnknown):
            log.load("acme", definition(), 0, how_many)


def test_the_same_class_decodes_what_it_encoded():
    assert Decoder().decode("ml_module_def.published:1", encode_payload(published())) == DefinitionPublished(
        name="xgb-signal", version="1.0.0"
    )
