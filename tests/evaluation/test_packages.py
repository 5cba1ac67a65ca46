"""Packages are checked without running them: each defect has its own refusal."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from domain.categories import Category
from domain.guardrails.contract_errors import GuardrailContractMalformed, GuardrailKindUnknown
from domain.ml_module_def import package_errors as errors
from domain.shared.errors import RuleBroken
from infrastructure.artifacts.store import FolderArtifactStore
from infrastructure.packages import ZipPackages, inspect_zip, unpack
from optaic.mlops.packaging import pack
from tests.execution.definition_packages import FILES, TOML, packed, sha256, written


def refused(tmp_path: Path, changes: dict[str, str | None]) -> type[RuleBroken]:
    path = tmp_path / "package.zip"
    path.write_bytes(packed(tmp_path / "folder", changes))
    with pytest.raises(RuleBroken) as refusal:
        inspect_zip(path)
    return type(refusal.value)


def test_a_package_is_read_without_running_it(tmp_path: Path) -> None:
    store = FolderArtifactStore(tmp_path / "artifacts")
    content = packed(tmp_path / "folder", {"model/linear.py": "raise SystemExit('this must not run')"})
    manifest = ZipPackages(store).inspect(store.put(content))
    assert (manifest.name, manifest.version, manifest.category) == ("steady", "1.0.0", Category.SIGNAL)
    assert manifest.package_sha256 == sha256(content)
    assert manifest.package_bytes == len(content)
    assert list(manifest.entry_points) == [
        "model",
        "features",
        "target",
        "trainer",
        "evaluator",
        "predictor",
        "monitor",
    ]


def test_packing_is_canonical(tmp_path: Path) -> None:
    first = pack(written(tmp_path / "one"))
    other = written(tmp_path / "two", {".hidden": "x", "model/__pycache__/linear.pyc": "x"})
    (other / "model" / "linear.py").touch()
    assert pack(other) == first


def test_a_folder_without_a_definition_cannot_be_packed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pack(tmp_path)


@pytest.mark.parametrize("component", ["model", "training", "inference", "monitoring", "tests", "docs"])
def test_a_definition_without_one_of_its_components_is_refused(tmp_path: Path, component: str) -> None:
    without: dict[str, str | None] = {name: None for name in FILES if name.startswith(f"{component}/")}
    assert refused(tmp_path, without) is errors.DefinitionComponentMissing


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('version = "1.0.0"', 'version = "1.0"', errors.DefinitionVersionMalformed),
        ('version = "1.0.0"', 'version = "v1.0.0"', errors.DefinitionVersionMalformed),
        ('version = "1.0.0"', 'version = "1.0.0+build"', errors.DefinitionVersionMalformed),
        ('name = "steady"', 'name = "Steady State"', errors.DefinitionManifestMalformed),
        ('name = "steady"', "", errors.DefinitionManifestMalformed),
        ('name = "steady"', 'name = "steady"\nauthor = "me"', errors.DefinitionManifestMalformed),
        ('category = "signal"', 'category = "oracle"', errors.DefinitionManifestMalformed),
        ("[entry_points]", "[entry_points", errors.DefinitionManifestMalformed),
        ('role = "prices"', 'rolle = "prices"', errors.DefinitionManifestMalformed),
        ('enforce = "block"', 'enforce = "always"', errors.DefinitionManifestMalformed),
        ('"numpy"]', '"numpy >"]', errors.DefinitionManifestMalformed),
        ('"numpy"]', '"numpy @ https://example.org/x.whl"]', errors.DefinitionManifestMalformed),
        ('monitor = "monitoring.monitor:Monitor"', "", errors.DefinitionEntryPointMissing),
        ("monitoring.monitor:Monitor", "monitoring.other:Monitor", errors.DefinitionEntryPointMissing),
        ("monitoring.monitor:Monitor", "training.parts:Evaluator", errors.DefinitionEntryPointMissing),
        ("monitoring.monitor:Monitor", "os:system", errors.DefinitionManifestMalformed),
        ('kind = "signal.bounds"', 'kind = "signal.magic"', GuardrailKindUnknown),
        ("low = -1.0", "low = 2.0", GuardrailContractMalformed),
        ("low = -1.0", "lowest = 2.0", GuardrailContractMalformed),
    ],
)
def test_each_defect_of_a_definition_file_has_its_own_refusal(
    tmp_path: Path, old: str, new: str, error: type[RuleBroken]
) -> None:
    assert old in TOML
    assert refused(tmp_path, {"definition.toml": TOML.replace(old, new)}) is error


def test_a_package_without_a_definition_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/linear.py", "")
    with pytest.raises(errors.DefinitionManifestMalformed, match="no definition"):
        inspect_zip(path)


def hostile(name: str, *, mode: int = 0, content: str = "x") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo(name)
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = mode << 16
        archive.writestr(member, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"not a zip",
        b"",
        hostile("../evil.py"),
        hostile("/etc/evil.py"),
        hostile("model/../../evil.py"),
        hostile("link", mode=stat.S_IFLNK | 0o777, content="/etc/passwd"),
    ],
)
def test_a_zip_that_cannot_be_trusted_is_refused_and_writes_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(content)
    target = tmp_path / "target"
    target.mkdir()
    for use in (inspect_zip, lambda zip_path: unpack(zip_path, target)):
        with pytest.raises(errors.DefinitionPackageMalformed):
            use(path)
    assert list(target.iterdir()) == []
    assert not (tmp_path / "evil.py").exists()


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(hostile("model/zeros.py", content="0" * (20 << 20)))
    with pytest.raises(errors.DefinitionPackageTooLarge):
        inspect_zip(path)
