"""G14, the log's part: a log of every released form opens, and means what it meant."""

from infrastructure.activity_log import open_activity_log
from tests.activity_log.event_examples import GOLDEN, examples
from tests.activity_log.scenes import TickingClock

FIRST_LINES = 43
FORM1_HASH = "ed5b3025f9a75db2481b6b69d2859671aac71b544a19818c3231bd4c43f9630a"


def test_the_golden_log_of_form_1_is_imported_verified_and_read(tmp_path):
    with open_activity_log(tmp_path / "log", TickingClock()) as log:
        count = log.import_from(GOLDEN)
        assert log.verify().problem is None
        events = {event.event.topic(): event.event for event in log.read(0, count) if event.event}
    assert events == {event.topic(): event for event in examples()}


def test_the_hash_over_the_first_lines_of_the_golden_log_never_changes(tmp_path):
    with open_activity_log(tmp_path / "log", TickingClock()) as log:
        log.import_from(GOLDEN.read_text("utf-8").splitlines()[:FIRST_LINES])
        assert log.log_hash() == FORM1_HASH


def test_an_import_exports_the_same_bytes_again(tmp_path):
    with open_activity_log(tmp_path / "log", TickingClock()) as log:
        log.import_from(GOLDEN)
        log.export(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == GOLDEN.read_bytes()
