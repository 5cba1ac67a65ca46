"""What a validator says of one contract that did not hold."""

from typing import Any

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A breach: its code, a sentence, the figures against the limit, and the first offending keys."""

    code: str
    message: str
    observed: dict[str, float]
    limit: dict[str, Any]
    rows: int = 0
    keys: tuple[str, ...] = ()
