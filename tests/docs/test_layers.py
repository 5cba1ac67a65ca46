"""What import-linter cannot say: the domain's allow-list, inherited documentation, the literal folders."""

import ast
import importlib
import inspect
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {"domain", "msgspec", "pydantic"}
DOCUMENTED = ("domain", "application")


def modules(layer: str) -> list[str]:
    paths = sorted((ROOT / layer).rglob("*.py"))
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "domain").rglob("*.py")), ids=lambda path: path.stem)
def test_the_domain_imports_only_the_standard_library_and_its_form(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {name.split(".")[0] for node in ast.walk(tree) for name in _imports(node)}
    assert imported - ALLOWED - sys.stdlib_module_names == set()


@pytest.mark.parametrize("layer", DOCUMENTED)
def test_every_public_method_is_documented_where_it_is_or_where_it_comes_from(layer):
    silent = [name for module in modules(layer) for name in _silent(importlib.import_module(module))]
    assert silent == []


def test_the_sdk_is_a_portion_of_a_namespace():
    assert not (ROOT / "sdk" / "optaic" / "__init__.py").exists()


def _imports(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case _:
            return []


def _silent(module: object) -> list[str]:
    name = getattr(module, "__name__", "")
    classes = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == name]
    return [
        f"{name}.{cls.__name__}.{member}"
        for cls in classes
        for member, value in vars(cls).items()
        if not member.startswith("_") and inspect.isfunction(value)
        if not inspect.getdoc(getattr(cls, member))
    ]
