"""Old logs open for ever: events of form 1 decode as they were meant, and the encoding never drifts."""

import pytest

from domain.catalogue import EVENTS
from infrastructure.activity_log.exchange import line_of, row_of
from infrastructure.activity_log.payload import Decoder, encode_payload
from tests.activity_log.event_examples import GOLDEN, examples, golden_lines

LINES = GOLDEN.read_text("utf-8").splitlines()
ROWS = {row[7]: row for row in map(row_of, LINES)}
EXAMPLES = {event.topic(): event for event in examples()}


def test_every_topic_of_the_catalogue_has_a_golden_line():
    assert set(ROWS) >= set(EVENTS), f"run tests.activity_log.event_examples for {set(EVENTS) - set(ROWS)}"


def test_every_topic_of_the_catalogue_has_an_example():
    assert set(EXAMPLES) == set(EVENTS)


@pytest.mark.parametrize("topic", sorted(ROWS))
def test_a_golden_payload_decodes_to_the_event_that_it_was(topic):
    assert Decoder().decode(topic, ROWS[topic][18]) == EXAMPLES[topic]


@pytest.mark.parametrize("topic", sorted(ROWS))
def test_the_encoding_of_the_same_event_never_changes(topic):
    assert encode_payload(EXAMPLES[topic]) == ROWS[topic][18]


def test_the_lines_of_the_golden_log_never_change_their_form():
    assert [line_of(row_of(line)) for line in LINES] == LINES


def test_the_rows_made_of_the_same_events_never_change():
    by_topic = [EXAMPLES[row_of(line)[7]] for line in LINES]
    assert golden_lines(by_topic) == LINES
