"""G2, the log's part: one effect a command id, whatever is repeated, reordered or retried."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from domain.shared.errors import CommandIdReused, StreamConflict
from infrastructure.activity_log import open_activity_log
from tests.activity_log.scenes import TickingClock, definition, envelope, how_many, write

COMMANDS = 1_000
SENT_EACH = 5
STREAMS = 50
CALLERS = 8


def send(log, command: int) -> tuple[int, int, bool]:
    """A client: read the stream, send, and on a conflict read again and send the same id."""
    stream = f"stream-{command % STREAMS}"
    while True:
        expected = log.load("acme", definition(stream), 0, how_many).version
        try:
            outcome = log.append(envelope(f"command {command}"), [write(stream, expected, 1 + command % 3)])
        except StreamConflict:
            continue
        return command, outcome.position, outcome.repeated


def test_five_thousand_repeated_and_reordered_commands_have_one_effect_each(tmp_path):
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    sendings = [command for command in range(COMMANDS) for _ in range(SENT_EACH)]
    random.Random(seed).shuffle(sendings)
    with open_activity_log(tmp_path / "log", TickingClock()) as log:
        with ThreadPoolExecutor(CALLERS) as callers:
            answers = list(callers.map(lambda command: send(log, command), sendings))
        assert len({(command, position) for command, position, _ in answers}) == COMMANDS
        assert Counter(command for command, _, repeated in answers if not repeated) == Counter(
            range(COMMANDS)
        )
        events = log.read(0, 10_000)
        effects = Counter(event.command_id for event in events)
        wanted = {envelope(f"command {n}").command_id: 1 + n % 3 for n in range(COMMANDS)}
        assert effects == wanted
        assert log.verify().problem is None


def test_the_same_ids_with_other_bodies_are_refused_and_leave_nothing(tmp_path):
    with open_activity_log(tmp_path / "log", TickingClock()) as log:
        for command in range(100):
            send(log, command)
        head = log.head()

        def reuse(command: int) -> bool:
            try:
                log.append(envelope(f"command {command}", body=b"other"), [write(f"other-{command}")])
            except CommandIdReused:
                return True
            return False

        with ThreadPoolExecutor(CALLERS) as callers:
            assert all(callers.map(reuse, range(100)))
        assert log.head() == head


def test_outcomes_are_the_same_after_the_log_was_opened_again(tmp_path):
    with open_activity_log(tmp_path / "log", TickingClock()) as log:
        accepted = log.append(envelope("accepted"), [write()])
        unchanged = log.append(envelope("unchanged"), [])
        refused = log.refuse(envelope("refused"), "run.already_finished", "it ended", {"n": 1})
    with open_activity_log(tmp_path / "log", TickingClock()) as log:
        again = [log.append(envelope(name), []) for name in ("accepted", "unchanged", "refused")]
        assert all(outcome.repeated for outcome in again)
        known = [
            log.outcome("acme", envelope(name).command_id) for name in ("accepted", "unchanged", "refused")
        ]
    assert known == [accepted, unchanged, refused]
