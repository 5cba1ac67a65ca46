"""The three roles. Each may do what the ones before it may."""

from typing import Annotated, Literal

import msgspec

Role = Literal["reader", "writer", "operator"]
"""`reader` asks; `writer` changes what a desk works with; `operator` keeps the service and gives access."""

KeyId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}(?!\\n)$")]
"""A key's public name: 16 hexadecimal digits. It is part of the key, and no secret."""

Principal = Annotated[
    str, msgspec.Meta(pattern="^(p_[A-Za-z0-9_-]{1,60}|service:[a-z0-9][a-z0-9-]{0,62})(?!\\n)$")
]
"""Who acts with a key: an opaque person, or a service by its name."""

_RANKS: dict[Role, int] = {"reader": 1, "writer": 2, "operator": 3}


def includes(role: Role, needed: Role) -> bool:
    """Whether who has `role` may do what `needed` may."""
    return _RANKS[role] >= _RANKS[needed]
