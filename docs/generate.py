"""Write the reference pages that follow from the code: events, commands, errors and the SDK.

`python -m docs.generate` (or `make docs`) writes them; a test compares them with what the code says.
"""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from docs.sdk_page import sdk_page
from domain.catalogue import COMMANDS, EVENT_CLASSES
from domain.shared.activity import Event
from domain.shared.command import Command
from domain.shared.errors import Kind, RuleBroken

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("domain", "application", "projections", "infrastructure")
HEADER = "<!-- Written by `make docs` from the code; edit the docstrings there. -->\n"

Schema = Mapping[str, Any]


def events_page() -> str:
    """docs/events.md: each event with its topics and fields."""
    schemas, parts = _schemas(EVENT_CLASSES)
    intro = (
        "# Events\n\nEverything that can stand in the activity log. The topic (action and form) is stored "
        "for ever; the payload is the JSON object described here. Times are RFC 3339 in UTC.\n"
    )
    sections = [_event_section(cls, schema) for cls, schema in zip(EVENT_CLASSES, schemas, strict=True)]
    return _page(intro, sections, _parts_section(parts))


def commands_page() -> str:
    """docs/commands.md: each command with its fields and who may send it."""
    classes = tuple(COMMANDS.values())
    schemas, parts = _schemas(classes)
    intro = (
        "# Commands\n\nEverything that can be asked for, with one name on every way in (HTTP, Kafka, CLI). "
        "A field that is not listed here is refused.\n"
    )
    sections = [_command_section(cls, schema) for cls, schema in zip(classes, schemas, strict=True)]
    return _page(intro, sections, _parts_section(parts))


def errors_page() -> str:
    """docs/errors.md: each refusal's code with its meaning and what to do."""
    intro = (
        "# Errors\n\nEvery refusal has a stable code, named after the rule that was broken. The kind decides "
        "the HTTP status and the exit code; the answer's `detail` says what was wrong with this input.\n"
    )
    found = error_classes()
    sections = [_errors_section(kind, [cls for cls in found if cls.kind is kind]) for kind in Kind]
    return _page(intro, [section for section in sections if section])


PAGES: dict[str, Callable[[], str]] = {
    "events.md": events_page,
    "commands.md": commands_page,
    "errors.md": errors_page,
    "sdk.md": lambda: HEADER + sdk_page(),
    "kafka.md": lambda: HEADER + importlib.import_module("docs.kafka_page").kafka_page(),
    "asyncapi.json": lambda: importlib.import_module("infrastructure.kafka.asyncapi").page(),
}
"""File in docs/ → what it should hold."""


def error_classes() -> list[type[RuleBroken]]:
    """All errors of the four layers, by code. Only modules that define errors are imported."""
    found = [getattr(importlib.import_module(module), name) for module, name in error_definitions()]
    return sorted(found, key=lambda cls: cls.code)


def error_definitions() -> list[tuple[str, str]]:
    """Module and class name of every subclass of RuleBroken, found by reading the sources."""
    classes = [
        (module, node) for module, tree in _trees() for node in tree.body if isinstance(node, ast.ClassDef)
    ]
    names = {"RuleBroken"}
    while more := {node.name for _, node in classes if names & _base_names(node)} - names:
        names |= more
    return [(module, node.name) for module, node in classes if names & _base_names(node)]


def field_docs(cls: type) -> dict[str, str]:
    """Field → the string that stands under it in the class or in one of its bases."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.split(".")[0] in LAYERS:
            docs |= dict(_strings_under_fields(base))
    return docs


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield module, ast.parse(path.read_text(encoding="utf-8"))


def _base_names(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).rsplit(".", 1)[-1] for base in node.bases}


def _strings_under_fields(cls: type) -> Iterator[tuple[str, str]]:
    node = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(node, ast.ClassDef)
    for field, text in zip(node.body, node.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                yield name, inspect.cleandoc(words)
            case _:
                pass


def _schemas(classes: Sequence[type[msgspec.Struct]]) -> tuple[list[Schema], dict[str, Schema]]:
    """The schema of each class, and those of the parts that they are made of."""
    references, components = msgspec.json.schema_components(classes, ref_template="{name}")
    return [components.pop(reference["$ref"]) for reference in references], components


def _page(intro: str, sections: Sequence[str], *more: str) -> str:
    return HEADER + "\n".join([intro, *sections, *more])


def _event_section(cls: type[Event], schema: Schema) -> str:
    topics = ", ".join(f"`{action}:{cls.SCHEMA_VERSION}`" for action in cls.ACTIONS)
    return f"## {cls.__name__}\n\n{topics}\n\n{_doc(cls)}\n\n{_fields_table(schema, field_docs(cls))}"


def _command_section(cls: type[Command], schema: Schema) -> str:
    sender = ""
    if cls.INTERNAL:
        sender = "Sent by the service itself, refused from outside. "
    if cls.WORKER:
        sender = "The worker's side of a run: needs the run's token, refused on Kafka. "
    return f"## {cls.TYPE}\n\n{sender}{_doc(cls)}\n\n{_fields_table(schema, field_docs(cls))}"


def _parts_section(parts: Mapping[str, Schema]) -> str:
    return "## Parts\n\n" + "\n".join(_part_section(name, schema) for name, schema in parts.items())


def _part_section(name: str, schema: Schema) -> str:
    classes = {
        cls.__name__: cls for cls in msgspec.Struct.__subclasses__() if cls.__module__.startswith("domain.")
    }
    docs = field_docs(classes[name]) if name in classes else {}
    shape = _fields_table(schema, docs) if "properties" in schema else f"{_type(schema)}\n"
    return f"### {name}\n\n{_cell(schema.get('description', ''))}\n\n{shape}"


def _errors_section(kind: Kind, classes: Sequence[type[RuleBroken]]) -> str:
    if not classes:
        return ""
    rows = [f"| `{cls.code}` | {_doc(cls)} | {_cell(cls.remedy)} |" for cls in classes]
    return "\n".join([f"## {kind.value}", "", "| Code | Meaning | What to do |", "|---|---|---|", *rows, ""])


def _fields_table(schema: Schema, docs: Mapping[str, str]) -> str:
    if not schema["properties"]:
        return "No fields.\n"
    rows = [_field_row(name, of, schema, docs.get(name, "")) for name, of in schema["properties"].items()]
    return "\n".join(["| Field | Form | Meaning |", "|---|---|---|", *rows, ""])


def _field_row(name: str, of: Schema, schema: Schema, doc: str) -> str:
    optional = "" if name in schema.get("required", ()) else " *(optional)*"
    return f"| `{name}`{optional} | {_cell(_type(of))} | {_cell(doc)} |"


def _type(schema: Schema) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        return f"[{schema['$ref']}](#{schema['$ref'].lower()})"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    words = str(schema.get("type", "any JSON"))
    if words == "array":
        words = f"list of {_type(schema.get('items') or {})}"
    if words == "object" and isinstance(schema.get("additionalProperties"), dict):
        words = f"object of {_type(schema['additionalProperties'])}"
    return words + _bounds(schema)


def _bounds(schema: Schema) -> str:
    signs = {
        "minimum": "≥",
        "maximum": "≤",
        "minItems": "at least",
        "maxItems": "at most",
        "maxLength": "at most",
    }
    bounds = [f"{sign} {schema[key]}" for key, sign in signs.items() if schema.get(key)]
    bounds += [str(schema["format"])] if "format" in schema else []
    bounds += [f"`{schema['pattern']}`"] if "pattern" in schema else []
    return f" ({', '.join(bounds)})" if bounds else ""


def _doc(cls: type) -> str:
    return _cell(inspect.cleandoc(cls.__doc__ or ""))


def _cell(text: str) -> str:
    """One line that a Markdown table can hold."""
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
