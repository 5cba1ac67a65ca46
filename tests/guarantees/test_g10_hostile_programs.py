"""G10: a program that is made to hurt ends with its own code, its log is kept, and nothing else notices.

All of them are trainings of one package, at L2 and at L3; their honest twins are one more, which completes.
A handful runs at L1, too, where less is promised.
"""

import hashlib
import os
import re
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.processes.sandbox import Level
from tests.guarantees.hostile_runs import Ended, Fate, Surrounding, left_over, run_all
from tests.support.sandboxes import STRONG

pytestmark = [pytest.mark.quiet, pytest.mark.timeout(300)]  # the first test of a level waits for all its runs

HELD = "run.crashed"
LOG_BYTES_MAX = 11 << 20
MESSAGE_CHARACTERS_MAX = 4000
FATES = {
    "fork_bomb": Fate(code="run.process_limit"),
    "memory": Fate(code="run.memory_limit"),
    "memory_of_children": Fate(code="run.memory_limit"),
    "memory_that_is_shared": Fate(code="run.memory_limit"),
    "disk": Fate(code="run.disk_limit"),
    "many_files": Fate(code="run.disk_limit"),
    "large_file": Fate(code="run.disk_limit"),
    "processor": Fate(code="run.time_limit", time_s=6),
    "prints": Fate(code="run.time_limit", time_s=6),
    "ignores_the_end": Fate(code="run.time_limit", time_s=6),
    "hangs_without_a_socket": Fate(code="run.time_limit", time_s=6),
    "network": Fate(code=HELD, says="Held"),
    "reads": Fate(code=HELD, says="Held"),
    "environment": Fate(code=HELD, says="Held"),
    "open_files": Fate(code=HELD, says="Held"),
    "other_processes": Fate(code=HELD, says="Held"),
    "writes_outside": Fate(code=HELD, says="Held"),
    "privileges": Fate(code=HELD, says="Held"),
    "forged_calls": Fate(code=HELD, says="Held"),
    "forged_results_and_exit": Fate(code=HELD, says="exit code 7"),
    "malformed_frames": Fate(code=HELD, says="Held"),
    "many_connections": Fate(code=HELD, says="Held"),
    "stages_what_is_not_its_own": Fate(code=HELD, says="Held"),
    "kills_its_parent": Fate(code="run.killed", says="SIGKILL"),
    "daemonises": Fate(code=HELD, says="without handing over results"),
    "leaves_early": Fate(code=HELD, says="without handing over results"),
    "corrupts_its_memory": Fate(code=HELD, says="SIGSEGV"),
    "raises_a_book": Fate(code=HELD, says="chapter"),
    "steers_the_terminal": Fate(code=HELD, says="red"),
}
COMPLETED = {"twins": Fate(code=""), "replaces_what_it_staged": Fate(code="")}
WEAKER = {
    "fork_bomb": FATES["fork_bomb"],
    "memory_of_children": FATES["memory_of_children"],
    "disk": FATES["disk"],
    "daemonises": FATES["daemonises"],
    "reads": Fate(code=""),
}
"""At L1. It can read what the service can: that is what L2 is for."""
TWINS = ("forks", "memory", "files", "prints", "network", "reads", "kills", "foreign code", "thread", "calls")


@pytest.fixture(scope="module", params=STRONG)
def level(request: pytest.FixtureRequest) -> Level:
    return request.param


@pytest.fixture(scope="module")
def around(level: Level, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surrounding]:
    found = Surrounding(tmp_path_factory.mktemp("hostile"), uuid.uuid4().hex)
    os.environ["OPTAIC_TEST_SECRET"] = found.canary
    yield found
    del os.environ["OPTAIC_TEST_SECRET"]
    found.close()


@pytest.fixture(scope="module")
def ended(level: Level, around: Surrounding) -> dict[str, Ended]:
    return run_all(around.root, level, FATES | COMPLETED, around.told())


@pytest.mark.parametrize("name", FATES)
def test_a_hostile_program_ends_with_its_code_and_its_log(ended: dict[str, Ended], name: str) -> None:
    failed, log = ended[name].failed, ended[name].log
    assert failed is not None, log[-2000:]
    assert (failed.code, b"ESCAPED" in log) == (FATES[name].code, False), failed.message
    assert FATES[name].says in failed.message
    assert len(failed.message) <= MESSAGE_CHARACTERS_MAX
    assert log.startswith(f"started {name}\n".encode())
    assert len(log) < LOG_BYTES_MAX


def test_the_honest_twin_of_each_passes(ended: dict[str, Ended]) -> None:
    found = ended["twins"]
    assert found.completed is not None, found.failed
    assert set(found.completed.metrics) == {"corr", "rows"}
    assert [one for one in TWINS if f"twin {one}".encode() not in found.log] == []


def test_what_was_staged_counts_and_not_what_became_of_it(
    ended: dict[str, Ended], around: Surrounding
) -> None:
    found = ended["replaces_what_it_staged"]
    assert found.completed is not None, found.failed
    assert found.completed.artifact is not None
    sha256 = found.completed.artifact.sha256
    assert f"staged {sha256}".encode() in found.log
    stored = around.root / "artifacts" / "objects" / sha256[:2] / sha256[2:]
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == sha256
    with zipfile.ZipFile(stored) as archive:
        assert archive.read("weights.txt") == b"honest"


def test_none_of_them_reached_anything_around_it(ended: dict[str, Ended], around: Surrounding) -> None:
    assert around.connections() == 0
    assert [name for name, one in ended.items() if around.canary.encode() in one.log] == []
    assert (around.data / "log.sqlite").read_text() == around.canary
    told = around.told()
    assert not [one for one in (*told["outside"], *told["hidden"]) if Path(one, "evil").exists()]
    assert left_over(around.root) == []


def test_a_program_sees_no_files_of_the_service(ended: dict[str, Ended]) -> None:
    files = re.findall(r"^file \d+ (\S+)", ended["open_files"].log.decode(), re.MULTILINE)
    kinds = {one if one.startswith("anon") else one.split("[")[0] for one in files if "[" in one}
    assert kinds <= {"pipe:", "socket:", "anon_inode:[eventpoll]", "anon_inode:[eventfd]"}
    assert {one for one in files if "[" not in one and not one.startswith("/proc/")} <= {"/dev/null"}


def test_a_message_steers_no_terminal_and_the_log_stays_as_it_was(ended: dict[str, Ended]) -> None:
    failed, log = ended["steers_the_terminal"].failed, ended["steers_the_terminal"].log
    assert failed is not None
    assert [one for one in failed.message if not (one.isprintable() or one in "\n\t")] == []
    assert b"\x1b]0;evil\x07\x00\x9b31m\xff\xfe" in log


@pytest.fixture(scope="module")
def weaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    around = Surrounding(tmp_path_factory.mktemp("weaker"), uuid.uuid4().hex)
    told = around.told()
    yield run_all(around.root, "L1", WEAKER, told | {"secrets": told["secrets"][:1], "folders": []})
    assert left_over(around.root) == []
    around.close()


@pytest.mark.parametrize("name", WEAKER)
def test_at_l1_accidents_end_the_same_way(weaker: dict[str, Ended], name: str) -> None:
    failed = weaker[name].failed
    assert (failed.code if failed else "") == WEAKER[name].code, weaker[name].log[-500:]


def test_at_l1_the_services_files_can_be_read(weaker: dict[str, Ended]) -> None:
    assert b"ESCAPED" in weaker["reads"].log
