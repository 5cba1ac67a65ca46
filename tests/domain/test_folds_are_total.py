"""Folding never raises, whatever stands in a stream; rules are for decisions."""

from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.access import decider as access
from domain.alert import decider as alerts
from domain.catalogue import EVENT_CLASSES
from domain.dataset import decider as datasets
from domain.ml_module_def import decider as definitions
from domain.model_instance import decider as instances
from domain.model_version import decider as versions
from domain.run import decider as runs
from domain.shared.activity import Event
from tests.support.events import any_event, stored

DECIDERS = [definitions, instances, runs, versions, datasets, access, alerts]


@pytest.mark.parametrize("decider", DECIDERS, ids=lambda module: module.__name__.split(".")[1])
@given(events=st.lists(any_event(), max_size=12))
@settings(max_examples=60)
def test_any_events_in_any_order_fold_to_a_state(decider: ModuleType, events: list[Event]) -> None:
    state = decider.INITIAL
    for event in events:
        state = decider.evolve(state, event)
    assert isinstance(state, decider.State)


@pytest.mark.parametrize("cls", EVENT_CLASSES, ids=lambda cls: cls.__name__)
@given(data=st.data())
@settings(max_examples=5)
def test_every_event_class_folds_into_every_stream_from_its_start(
    cls: type[Event], data: st.DataObject
) -> None:
    event = data.draw(any_event(cls))
    for decider in DECIDERS:
        assert isinstance(decider.evolve(decider.INITIAL, event), decider.State)


@pytest.mark.parametrize("cls", EVENT_CLASSES, ids=lambda cls: cls.__name__)
@given(data=st.data())
@settings(max_examples=10)
def test_every_event_is_the_same_after_being_stored(cls: type[Event], data: st.DataObject) -> None:
    event = data.draw(any_event(cls))
    assert stored(event) == event
    assert event.action() in cls.ACTIONS
    assert len(event.resource()) == 2
