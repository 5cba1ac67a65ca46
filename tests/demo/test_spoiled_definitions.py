"""The two copies that the demonstration has refused: spoiled in one thing, and in nothing else."""

import shutil
from pathlib import Path

import pytest

from domain.ml_module_def.package_errors import DefinitionComponentMissing
from infrastructure.demo.chapters import EXAMPLES
from infrastructure.demo.spoiled import LEAKY, broken, leaky
from infrastructure.packages.reader import inspect_zip
from optaic.mlops.packaging import pack

RULES = EXAMPLES / "rule-signals"


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_the_leaky_copy_differs_in_its_feature_its_name_and_the_test_that_would_have_told(tmp_path: Path):
    honest, spoiled = files(RULES), files(leaky(RULES, tmp_path))
    assert honest.keys() == spoiled.keys()
    assert {name for name in honest if honest[name] != spoiled[name]} == {
        "definition.toml",
        "training/features.py",
        "tests/test_training.py",
    }
    packed = tmp_path / "leaky.zip"
    packed.write_bytes(pack(tmp_path / "leaky"))
    assert inspect_zip(packed).name == LEAKY


def test_the_broken_copy_lacks_a_component(tmp_path: Path):
    packed = tmp_path / "broken.zip"
    packed.write_bytes(pack(broken(RULES, tmp_path)))
    with pytest.raises(DefinitionComponentMissing, match="monitoring"):
        inspect_zip(packed)


def test_a_definition_that_no_longer_holds_what_is_to_be_spoiled_is_named(tmp_path: Path):
    other = shutil.copytree(RULES, tmp_path / "other")
    (other / "training" / "features.py").write_text("")
    with pytest.raises(ValueError, match="has changed"):
        leaky(other, tmp_path)
