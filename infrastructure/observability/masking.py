"""Takes secrets out of what is written: values of telling names, user parts of URLs, keys in text."""

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
_NAMES = (
    r"authorization|api[_.-]?key|passw(?:or)?d|passphrase|secret|token|credentials?|cookie|database[_-]?url"
)
_TELLING = re.compile(_NAMES, re.IGNORECASE)
_USER_OF_URL = re.compile(r"(?<=://)[^\s/?#]+@")
_SCHEME = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"((?:{_NAMES})[\"']?\s*[=:]\s*)(?!\*\*\*|bearer\b|basic\b)(\"[^\"]*\"|'[^']*'|[^\s,;&)}}]+)",
    re.IGNORECASE,
)
_KEY = re.compile(r"\b(optaic_[0-9a-f]{16}_)[A-Za-z0-9_-]{43}")
_DEPTH_MOST = 6


def masked_text(text: str) -> str:
    """The text without what must stay secret."""
    text = _USER_OF_URL.sub(f"{MASK}@", text)
    text = _KEY.sub(rf"\1{MASK}", text)
    text = _SCHEME.sub(rf"\1 {MASK}", text)
    return _ASSIGNED.sub(rf"\1{MASK}", text)


def masked(value: Any, depth: int = 0) -> Any:
    """A value of an entry, as deep as entries go: what a telling name holds is hidden, texts are searched."""
    if isinstance(value, str):
        return masked_text(value)
    if depth >= _DEPTH_MOST:
        return masked_text(_said(value))
    if isinstance(value, Mapping):
        return {
            _said(key): MASK if is_telling(_said(key)) and item is not None else masked(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item, depth + 1) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return masked_text(_said(value))


def is_telling(name: str) -> bool:
    """Whether what has this name is a secret."""
    return _TELLING.search(name) is not None


def _said(value: Any) -> str:
    """What an object says of itself; some cannot."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"
