"""docs/sdk.md: what user code imports, read from the sources of the SDK without importing them."""

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path

SDK = Path(__file__).resolve().parents[1] / "sdk" / "optaic" / "mlops"
MODULES = (
    "tracking",
    "registry",
    "model_files",
    "data",
    "pipeline",
    "schedules",
    "client",
    "commands",
    "base",
    "point_in_time",
    "lookahead",
    "monitoring",
    "monitors",
    "monitoring_alerts",
    "whylogs_profiles",
)
INTRO = """# The SDK

`pip install optaic-mlops`. It talks to `OPTAIC_MLOPS_URL`; without it, to the embedded service of the data
folder (`OPTAIC_MLOPS_DATA`), which it starts if none runs. The same code runs in a notebook and in a run.
"""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def sdk_page() -> str:
    """The public functions and classes of each module with what their docstrings say."""
    return "\n".join([INTRO, *(_module(name) for name in MODULES)])


def public_definitions(name: str) -> Iterator[Definition]:
    """The functions and classes of a module that user code may call."""
    for node in ast.parse((SDK / f"{name}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, Definition) and not node.name.startswith("_") and not _is_overload(node):
            yield node


def _is_overload(node: Definition) -> bool:
    """One of several signatures, for type checkers only; the definition that follows has the docstring."""
    return any(ast.unparse(one) == "overload" for one in node.decorator_list)


def _module(name: str) -> str:
    tree = ast.parse((SDK / f"{name}.py").read_text(encoding="utf-8"))
    head = f"## optaic.mlops.{name}\n\n{ast.get_docstring(tree) or ''}\n"
    return "\n".join([head, *(_entry(node) for node in public_definitions(name))])


def _entry(node: Definition) -> str:
    text = f"### {node.name}\n\n```python\n{_signature(node)}\n```\n\n{ast.get_docstring(node) or ''}\n"
    if not isinstance(node, ast.ClassDef):
        return text
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")]
    lines = [f"- `{_signature(one)}`: {_first_line(one)}" for one in methods]
    return text + ("\n" + "\n".join(lines) + "\n" if lines else "")


def _signature(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){returns}"


def _first_line(node: ast.FunctionDef) -> str:
    text = ast.get_docstring(node) or ""
    return textwrap.shorten(text.split("\n\n")[0], 400)
