"""The folder of one run: what its process may use, and what only the executor touches."""

from dataclasses import dataclass
from pathlib import Path

from application.ports import ArtifactStore
from infrastructure.artifacts.archive import Limits, extract
from infrastructure.execution.removal import remove_folder
from infrastructure.execution.work import RunWork
from infrastructure.packages import unpack

MODEL_LIMITS = Limits(
    archive_bytes=4 << 30, members=10_000, member_bytes=4 << 30, total_bytes=4 << 30, ratio=1_000
)


@dataclass(frozen=True)
class RunFolder:
    """Places below one run's folder."""

    root: Path

    @property
    def work(self) -> Path:
        """The process's working folder."""
        return self.root / "work"

    @property
    def package(self) -> Path:
        """The definition's unpacked code: the first entry of the process's sys.path."""
        return self.root / "package"

    @property
    def model(self) -> Path:
        """The unpacked model file of an inference or a monitoring."""
        return self.root / "model"

    @property
    def inputs(self) -> Path:
        """Arrow files that answer reads."""
        return self.root / "inputs"

    @property
    def staged(self) -> Path:
        """Copies of what was staged: what the process does afterwards does not change them."""
        return self.root / "staged"

    @property
    def log(self) -> Path:
        """What the process printed."""
        return self.root / "output.log"

    def remove(self) -> None:
        """Delete everything."""
        remove_folder(self.root)


def make_run_folder(root: Path, work: RunWork, artifacts: ArtifactStore) -> RunFolder:
    """Unpack code and model below a new folder; raises the errors of the artifact store and of packages."""
    folder = RunFolder(root)
    folder.remove()
    root.mkdir(parents=True, mode=0o700)
    for place in (folder.work, folder.package, folder.inputs, folder.staged):
        place.mkdir(mode=0o700)
    unpack(artifacts.checked_path(work.run.package_sha256), folder.package)
    if work.run.model is not None:
        folder.model.mkdir(mode=0o700)
        extract(artifacts.checked_path(work.run.model.artifact_sha256), folder.model, MODEL_LIMITS)
    return folder
