"""The adapter of `application.ports.Packages`: a stored zip → its Manifest."""

import hashlib
import zipfile
from collections.abc import Collection
from pathlib import Path

from application.ports import ArtifactStore
from domain.categories import COMPONENTS
from domain.ml_module_def.manifest import Manifest
from domain.ml_module_def.package_errors import (
    DefinitionComponentMissing,
    DefinitionEntryPointMissing,
    DefinitionManifestMalformed,
    DefinitionPackageMalformed,
)
from infrastructure.packages.definition_toml import parse_definition
from infrastructure.packages.members import PackageLimits, checked_members

DEFINITION = "definition.toml"
DEFINITION_BYTES_MAX = 256 * 1024
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

    def __init__(self, artifacts: ArtifactStore, limits: PackageLimits | None = None) -> None:
        self._artifacts = artifacts
        self._limits = limits or PackageLimits()

    def inspect(self, package_sha256: str) -> Manifest:
        """Check a stored zip, read its definition.toml; raises `definition.*` and `guardrail.*` errors."""
        path = self._artifacts.checked_path(package_sha256)
        return inspect_zip(path, package_sha256, self._limits)


def inspect_zip(
    path: Path, package_sha256: str | None = None, limits: PackageLimits | None = None
) -> Manifest:
    """Check a package without running any of it; raises `definition.*` and `guardrail.*` errors."""
    members = checked_members(path, limits or PackageLimits())
    names = [info.filename for info in members]
    if DEFINITION not in names:
        raise DefinitionManifestMalformed("there is no definition.toml at the root of the package")
    manifest = parse_definition(
        _read(path, members[names.index(DEFINITION)]),
        package_sha256=package_sha256 or hashlib.sha256(path.read_bytes()).hexdigest(),
        package_bytes=path.stat().st_size,
    )
    _check_components(names)
    _check_modules(manifest.entry_points, names)
    return manifest


def _read(path: Path, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > DEFINITION_BYTES_MAX:
        raise DefinitionManifestMalformed(f"definition.toml has more than {DEFINITION_BYTES_MAX} bytes")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as content:
            return content.read(DEFINITION_BYTES_MAX + 1)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise DefinitionPackageMalformed(f"definition.toml cannot be unpacked: {error}") from None


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
