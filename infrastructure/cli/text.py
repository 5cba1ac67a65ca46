"""Values of the API as short text."""

import json
from collections.abc import Mapping
from typing import Any


def field(row: Mapping[str, Any], path: str) -> Any:
    """The value under a dotted path; None where a part is missing."""
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def plain(value: Any) -> str:
    """A value on one line."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case dict() if set(value) == {"name", "version"}:
            return f"{value['name']}@{value['version']}"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return " ".join(str(value).split())
