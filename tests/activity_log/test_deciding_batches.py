"""A batch has the same effect as its commands one by one, whatever they are."""

from hypothesis import given
from hypothesis import strategies as st

from application.ports import Outcome
from infrastructure.activity_log.decision import Head, StreamHead, decide_batch
from infrastructure.activity_log.submission import submission_of_refusal, submission_of_writes
from tests.activity_log.scenes import envelope, write

NAMES = ("a-1", "a-2", "a-3")
WRITES = st.lists(
    st.builds(write, st.sampled_from(NAMES), st.integers(0, 3), st.integers(0, 2)), min_size=0, max_size=3
)
COMMANDS = st.tuples(st.integers(0, 5), st.sampled_from([b"1", b"2"]), st.booleans(), WRITES)


def submission(number, body, refuses, writes):
    sent = envelope(f"command {number}", body=body)
    return submission_of_refusal(sent, "a.b", "no", {}) if refuses else submission_of_writes(sent, writes)


def plain(answer):
    return answer if isinstance(answer, Outcome) else (type(answer), answer.facts)


@given(st.lists(COMMANDS, max_size=12), st.lists(st.integers(0, 100), min_size=1, max_size=12))
def test_a_batch_is_its_commands_one_by_one(commands, times):
    batch = [submission(*each) for each in commands]
    ticks = iter([*times, *[times[-1]] * 20])
    together = decide_batch(batch, {}, {}, Head(0, 0), lambda: next(ticks))
    known, streams, head, rows, outcomes, answers = {}, {}, Head(0, 0), [], [], []
    ticks = iter([*times, *[times[-1]] * 20])
    for each in batch:
        alone = decide_batch([each], known, streams, head, lambda: next(ticks))
        head = alone.head
        rows += alone.rows
        outcomes += alone.outcomes
        answers += alone.answers
        if not alone.is_empty:
            known[each.key] = alone.answers[0]
        for row in alone.rows:
            streams[row[3]] = StreamHead(row[4], row[2])
    assert (together.head, together.rows, together.outcomes) == (head, rows, outcomes)
    assert [plain(answer) for answer in together.answers] == [plain(answer) for answer in answers]


@given(st.lists(COMMANDS, max_size=12))
def test_positions_and_streams_are_dense_and_times_monotone(commands):
    ticks = iter(range(100, 0, -1))
    decision = decide_batch(
        [submission(*each) for each in commands], {}, {}, Head(7, 50), lambda: next(ticks)
    )
    assert [row[0] for row in decision.rows] == list(range(8, 8 + len(decision.rows)))
    assert decision.head.position == 7 + len(decision.rows)
    times = [row[-2] for row in decision.rows]
    assert times == sorted(times)
    for stream in {row[3] for row in decision.rows}:
        versions = [row[4] for row in decision.rows if row[3] == stream]
        assert versions == list(range(1, len(versions) + 1))
