"""Writers that are killed, what they had acknowledged, and what must then be in the log."""

import json
import subprocess
import sys
from pathlib import Path

from tests.activity_log.scenes import envelope, uid, write

ROOT = Path(__file__).resolve().parents[2]


class Zygote:
    """The process that forks writers."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.guarantees.log_zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, place, prefix, failpoints="", kill_after=0):
        """Run a writer until it dies; returns its exit status, what it tried and what was acknowledged.

        `place` is the path or the URL of the log.
        """
        request = {"place": str(place), "prefix": prefix, "failpoints": failpoints, "kill_after": kill_after}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.communicate(timeout=30)


def assert_nothing_lost(log, tried, acknowledged):
    """Every acknowledged command is there once and whole, every other one 0 or 1 time and whole."""
    verdict = log.verify()
    assert verdict.problem is None
    found: dict[str, list[int]] = {}
    for event in log.read(0, max(verdict.events, 1)):
        found.setdefault(str(event.command_id), []).append(event.position)
    for name, events in tried.items():
        positions = found.pop(str(uid(name)), [])
        assert len(positions) in ({events} if name in acknowledged else {0, events}), name
        assert positions == list(range(positions[0], positions[0] + events)) if positions else True
        assert name not in acknowledged or positions[-1] == acknowledged[name]
    assert not found, "commands that nobody sent"


def retry_what_is_unknown(log, tried, acknowledged):
    """What a client does after an answer was lost: send the same command again."""
    for name in sorted(set(tried) - set(acknowledged)):
        known = log.outcome("acme", uid(name)) is not None
        outcome = log.append(envelope(name), [write(name, 0, tried[name])])
        assert outcome.repeated == known
        acknowledged[name] = outcome.position
