"""G1 for artifacts: what was acknowledged is there and whole, what was not is whole or not there at all."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from application.errors import ArtifactMissing, ArtifactPurged
from infrastructure import failpoints
from infrastructure.artifacts.store import FolderArtifactStore
from tests.guarantees.artifact_writer import content_of

ROOT = Path(__file__).parents[2]
SEED = 20240119
POINTS = sorted(name for name in failpoints.ARTIFACT if name.startswith("artifact."))


def writer(root: Path, first: int, armed: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), failpoints.VARIABLE: armed}
    command = [sys.executable, "-m", "tests.guarantees.artifact_writer", str(root), str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)


def acknowledged(output: str) -> dict[int, str]:
    lines = [line.split() for line in output.splitlines(keepends=True) if line.endswith("\n")]
    return {int(number): sha256 for number, sha256 in lines}


def check(root: Path, stored: dict[int, str], next_number: int) -> None:
    store = FolderArtifactStore(root)
    assert list((root / "tmp").iterdir()) == []
    for number, sha256 in stored.items():
        assert store.get(sha256) == content_of(number)
    unknown = content_of(next_number)
    with suppress(ArtifactMissing, ArtifactPurged):
        assert store.get(hashlib.sha256(unknown).hexdigest()) == unknown
    for path in (root / "objects").rglob("*"):
        if path.is_file():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name + path.name


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_a_failpoint_leaves_no_half_object(tmp_path, point):
    stored: dict[int, str] = {}
    for hit in (1, 2, 4):
        first = len(stored)
        process = writer(tmp_path / "store", first, f"{point}=kill@{hit}")
        output, _ = process.communicate(timeout=30)
        assert process.returncode == -9
        stored |= acknowledged(output)
        check(tmp_path / "store", stored, len(stored))


def test_random_kills_under_load_lose_nothing_acknowledged(tmp_path):
    print(f"seed {SEED}")
    choose = random.Random(SEED)
    stored: dict[int, str] = {}
    for _ in range(20):
        process = writer(tmp_path / "store", len(stored))
        assert process.stdout is not None
        output = "".join(process.stdout.readline() for _ in range(choose.randint(1, 9)))
        process.kill()  # it goes on writing meanwhile
        output += process.communicate(timeout=30)[0]
        stored |= acknowledged(output)
        check(tmp_path / "store", stored, len(stored))
    assert len(stored) > 20


def test_a_write_is_synced_then_renamed_then_its_folder_synced(tmp_path):
    strace = shutil.which("strace")
    assert strace, "strace is missing: install it (apt-get install strace)"
    trace = tmp_path / "trace"
    code = (
        "import sys; from pathlib import Path\n"
        "from infrastructure.artifacts.store import FolderArtifactStore\n"
        "FolderArtifactStore(Path(sys.argv[1])).put(b'x')"
    )
    watched = "trace=fsync,fdatasync,rename,renameat,renameat2"
    store = str(tmp_path / "store")
    command = [strace, "-f", "-e", watched, "-o", str(trace), sys.executable, "-c", code, store]
    subprocess.run(command, check=True, cwd=ROOT, timeout=60)
    calls = [line.split("(")[0].split()[-1] for line in trace.read_text().splitlines() if "(" in line]
    rename = next(index for index, call in enumerate(calls) if call.startswith("rename"))
    assert "fsync" in calls[:rename]
    assert "fsync" in calls[rename + 1 :]
