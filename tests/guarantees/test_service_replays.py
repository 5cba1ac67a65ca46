"""G5: the exported log of a real service, replayed elsewhere, gives the state that the service had."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from infrastructure.activity_log import open_activity_log
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.bootstrap import log_path, views_path
from infrastructure.verification import replay_of
from infrastructure.views import open_views
from tests.guarantees.service_clients import Client, changer, promoter, purger, trainer, writer
from tests.guarantees.service_world import copied

ROOT = Path(__file__).parents[2]
COMMANDS = 60
REPLAY = """
import sys
from pathlib import Path
from infrastructure.verification import replay_export
print(replay_export(Path(sys.argv[1]), Path(sys.argv[2])))
"""
SURROUNDINGS = [
    {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "1", "TZ": "America/New_York", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "4294967295", "TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR"},
]


@pytest.fixture(scope="module")
def lived(service_zygote, world, tmp_path_factory):
    """The export of a service that was used, and what its own log and views hash to."""
    scratch = tmp_path_factory.mktemp("replays")
    data = copied(world, scratch / "data")
    chance = random.Random(11)
    scripts = (
        writer("series"),
        trainer(chance),
        changer(chance),
        promoter(chance),
        purger(chance, "licensed"),
    )
    with service_zygote.start(data) as service, service.client() as api:
        for client in map(Client, scripts):
            client.play(api, lambda client=client: len(client.sent) > COMMANDS)
        service.settle_policies()
        assert service.stop() == 0
    with open_activity_log(log_path(data), SystemClock()) as log:
        log.export(scratch / "log.jsonl")
        views = open_views(views_path(data), log)
        try:
            return scratch / "log.jsonl", replay_of(log, views)
        finally:
            views.close()


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_a_service_replayed_in_other_surroundings_has_the_same_state(lived, surroundings, tmp_path):
    export, expected = lived
    done = subprocess.run(
        [sys.executable, "-P", "-c", REPLAY, str(export), str(tmp_path / "replay")],
        env={**os.environ, "PYTHONPATH": str(ROOT), **surroundings},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert expected.events > COMMANDS
    assert done.stdout.strip() == str(expected)
