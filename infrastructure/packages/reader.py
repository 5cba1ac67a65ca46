"""The adapter of `application.ports.Packages`: a stored zip → its Manifest."""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from application.errors import ArchiveMalformed, ArchiveMemberForbidden, ArchiveTooLarge
from application.ports import ArtifactStore
from domain.categories import COMPONENTS
from domain.ml_module_def.manifest import Manifest
from domain.ml_module_def.package_errors import (
    DefinitionComponentMissing,
    DefinitionEntryPointMissing,
    DefinitionManifestMalformed,
    DefinitionPackageMalformed,
    DefinitionPackageTooLarge,
)
from infrastructure.artifacts.archive import Limits, extract, read_members
from infrastructure.packages.definition_toml import parse_definition

PACKAGE_LIMITS = Limits(
    archive_bytes=32 << 20, members=2_000, member_bytes=32 << 20, total_bytes=128 << 20, ratio=200
)
DEFINITION = "definition.toml"
DEFINITION_BYTES_MAX = 64 * 1024
_FOLDER_OF = {
    "model": "model",
    "trainer": "training",
    "evaluator": "training",
    "predictor": "inference",
    "monitor": "monitoring",
}
"""Entry points that belong into one component; features and target may stand in any."""


class ZipPackages:
    """Reads definition packages out of the artifact store."""

    def __init__(self, artifacts: ArtifactStore, limits: Limits = PACKAGE_LIMITS) -> None:
        self._artifacts = artifacts
        self._limits = limits

    def inspect(self, package_sha256: str) -> Manifest:
        """Check a stored zip, read its definition.toml; raises `definition.*` and `guardrail.*` errors."""
        path = self._artifacts.checked_path(package_sha256)
        return inspect_zip(path, package_sha256, self._limits)


def inspect_zip(path: Path, package_sha256: str | None = None, limits: Limits = PACKAGE_LIMITS) -> Manifest:
    """Check a package without running any of it; raises `definition.*` and `guardrail.*` errors."""
    names, contents = _read(path, limits)
    if DEFINITION not in contents:
        raise DefinitionManifestMalformed("there is no definition.toml at the root of the package")
    manifest = parse_definition(
        contents[DEFINITION],
        package_sha256=package_sha256 or _sha256(path),
        package_bytes=path.stat().st_size,
    )
    _check_components(names)
    _check_modules(manifest.entry_points, names)
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(path: Path, target: Path, limits: Limits = PACKAGE_LIMITS) -> None:
    """Write a package's files below an empty folder; raises the `definition.package_*` errors."""
    with _as_package_errors():
        extract(path, target, limits)


def _read(path: Path, limits: Limits) -> tuple[list[str], dict[str, bytes]]:
    with _as_package_errors():
        return read_members(path, {DEFINITION}, limits, read_bytes=DEFINITION_BYTES_MAX)


@contextmanager
def _as_package_errors() -> Iterator[None]:
    try:
        yield
    except ArchiveTooLarge as error:
        raise DefinitionPackageTooLarge(error.detail, **error.facts) from None
    except (ArchiveMalformed, ArchiveMemberForbidden) as error:
        raise DefinitionPackageMalformed(error.detail, **error.facts) from None


def _check_components(names: Collection[str]) -> None:
    for component in COMPONENTS:
        prefix = "test_" if component == "tests" else ""
        if not any(_is_module(name, component, prefix) for name in names):
            raise DefinitionComponentMissing(f"{component}/ holds no {prefix}*.py", component=component)
    if not any(name.startswith("docs/") and name.endswith(".md") for name in names):
        raise DefinitionComponentMissing("docs/ holds no *.md", component="docs")


def _is_module(name: str, component: str, prefix: str) -> bool:
    file = name.rsplit("/", 1)[-1]
    return name.startswith(f"{component}/") and file.startswith(prefix) and file.endswith(".py")


def _check_modules(entry_points: dict[str, str], names: Collection[str]) -> None:
    for role, target in entry_points.items():
        module = target.partition(":")[0].replace(".", "/")
        if f"{module}.py" not in names and f"{module}/__init__.py" not in names:
            raise DefinitionEntryPointMissing(
                f"{role}: no module for {target!r} in the package", entry_point=role
            )
        component = module.partition("/")[0]
        if component not in COMPONENTS or component != _FOLDER_OF.get(role, component):
            wanted = _FOLDER_OF.get(role, "a component")
            raise DefinitionEntryPointMissing(f"{role}: {target!r} must stand in {wanted}/", entry_point=role)
