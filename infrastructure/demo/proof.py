"""Part 8: rebuild, replay, verify, and a changed byte that is not loaded."""

import tempfile
from pathlib import Path

from domain.shared.errors import RuleBroken
from infrastructure.artifacts.store import FolderArtifactStore
from infrastructure.demo.chapters import SIGNAL
from infrastructure.demo.stage import Stage
from infrastructure.verification import replay_export, replay_of, verify_all


def show(stage: Stage, data: Path) -> None:
    """Prove that the views are folds of the log, the log is whole and the bytes are what they were."""
    _rebuild(stage)
    with tempfile.TemporaryDirectory(dir=data) as scratch:
        _replay(stage, Path(scratch))
        _changed_byte(stage, Path(scratch))
    _verify(stage)


def _rebuild(stage: Stage) -> None:
    report = stage.service.views.rebuild()
    equal = sum(one.is_equal for one in report)
    stage.account.claim(equal == len(report), "a rebuilt view differs from the live one")
    seconds = max(one.seconds for one in report)
    stage.account.line(
        f"  rebuild --all   {len(report)} views from {stage.service.log.head()} events in {seconds:.1f} s: "
        f"state hashes equal to the live ones, {equal} of {len(report)}"
    )


def _replay(stage: Stage, scratch: Path) -> None:
    service = stage.service
    live = replay_of(service.log, service.views)
    export = scratch / "log.jsonl"
    service.log.export(export)
    replayed = replay_export(export, scratch / "replay")
    stage.account.claim(live == replayed, "the replayed log gives another state")
    stage.account.line(
        f"  replay          log exported and replayed into an empty folder: same {live.events} events, "
        f"same state hash {live.state[:4]}…{live.state[-2:]}"
    )


def _verify(stage: Stage) -> None:
    service = stage.service
    report = verify_all(service.log, service.views, service.artifacts, service.datasets)
    stage.account.claim(not report.problems, "; ".join(report.problems))
    stage.account.line(
        f"  verify          positions 1..{report.events} without a hole · {report.artifacts} artifacts and "
        f"{report.data_files} data files match their SHA-256"
    )


def _changed_byte(stage: Stage, scratch: Path) -> None:
    """One byte of a copy is changed: the copy is not loaded."""
    version = stage.version(SIGNAL, 1)
    path = stage.service.artifacts.checked_path(version.artifact_sha256)
    store = FolderArtifactStore(scratch / "artifacts")
    copy = store.checked_path(store.put_file(path))
    copy.chmod(0o600)
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(bytes(content))
    try:
        store.get(version.artifact_sha256)
    except RuleBroken as broken:
        stage.account.claim(broken.code == "artifact.hash_mismatch", broken.code)
        stage.account.line(f"  one byte of a copy of {version.ref} changed: load refused, {broken.code}")
        return
    stage.account.claim(False, "a changed artifact was loaded")
