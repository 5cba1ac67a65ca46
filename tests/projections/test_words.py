"""Histories in words."""

from random import Random

import pytest

from domain.catalogue import EVENTS
from projections.activity.words import sentence
from tests.projections.support.generated import Generator


@pytest.fixture(scope="module")
def told():
    events = Generator(Random(2)).run(4_000).events
    return {recorded.action: sentence(recorded.event) for recorded in events if recorded.event}


def test_every_event_has_words_of_its_own(told):
    assert {topic.partition(":")[0] for topic in EVENTS} == set(told)
    for action, words in told.items():
        assert not words.startswith(action)
        assert "\n" not in words


@pytest.mark.parametrize(
    ("action", "part"),
    [
        ("model_version.promoted", " went into production"),
        ("inference_run.submitted", "An inference run of "),
        ("training_run.completed", " and made inst-"),
        ("dataset_version.rejected", " was rejected with artifact.hash_mismatch: bytes differ"),
        ("model_instance.slot_skipped", "The training slot "),
    ],
)
def test_a_sentence_says_what_happened(told, action, part):
    assert part in told[action]
