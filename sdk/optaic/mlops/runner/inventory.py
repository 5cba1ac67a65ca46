"""Which tests a package's files hold, read without running any of them: what a report has to account for.

Reads {"package", "result"} as JSON from standard input and writes to the file `result`: {"tests": [[module or
module.Class, function], …], "hooks": [what a conftest.py has of pytest's hooks], "unreadable": [file, …]}.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optaic.mlops.runner.confinement import confine


def main() -> int:
    """0 once the result is written."""
    confine()
    task: dict[str, Any] = json.load(sys.stdin)
    Path(task["result"]).write_text(json.dumps(inventory(Path(task["package"]))), encoding="utf-8")
    return 0


def inventory(package: Path) -> dict[str, Any]:
    """What the result holds."""
    tests: list[tuple[str, str]] = []
    hooks: list[str] = []
    unreadable: list[str] = []
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        is_conftest = path.name == "conftest.py"
        is_test = name.startswith("tests/") and path.name.startswith("test_")
        if not is_conftest and not is_test:
            continue
        try:
            tree = ast.parse(path.read_bytes(), filename=name)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            unreadable.append(name)
            continue
        if is_conftest:
            hooks += [f"{name}: {one}" for node in ast.walk(tree) for one in _hooks(node)]
        else:
            tests += _tests(tree, name.removesuffix(".py").replace("/", "."))
    return {"tests": tests, "hooks": hooks, "unreadable": unreadable}


def _tests(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    yield from ((module, one) for one in _functions(tree.body))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from ((f"{module}.{node.name}", one) for one in _functions(node.body))


def _functions(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test"):
            continue
        if not any("fixture" in ast.unparse(one) for one in node.decorator_list):
            yield node.name


def _hooks(node: ast.AST) -> list[str]:
    """The names that pytest calls or reads, where a node gives something such a name."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            found = [node.name]
        case ast.Name(ctx=ast.Store()):
            found = [node.id]
        case ast.ImportFrom() | ast.Import():
            found = [one.asname or one.name for one in node.names]
        case _:
            found = []
    return [one for one in found if one.startswith("pytest_")]


if __name__ == "__main__":
    sys.exit(main())
