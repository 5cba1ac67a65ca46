"""Identity: names never change, and a stream's id follows from (tenant, resource type, name)."""

from hashlib import sha1
from typing import Annotated
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

NAMESPACE = uuid5(NAMESPACE_URL, "https://optaic.dev/mlops")

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{1,62}(?!\\n)$")]
"""A resource's name: 2 to 63 of a-z, 0-9 and '-', not beginning with '-'."""

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}(?!\\n)$")]
"""A SHA-256 in lower-case hexadecimal."""

RunId = Annotated[
    str,
    msgspec.Meta(pattern="^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?!\\n)$"),
]
"""A run's id: a UUIDv7 in lower case."""


def stream_id(tenant: str, resource_type: str, name: str) -> UUID:
    """The id of a named resource's stream; equal names give equal ids, so the first version is unique."""
    return uuid5(NAMESPACE, f"{tenant}\n{resource_type}\n{name}")


def event_id(tenant: str, command_id: UUID, ordinal: int) -> UUID:
    """The id of the `ordinal`-th event of a command: a repeated command can only make the same ids."""
    return uuid5(command_id, f"{tenant}\n{ordinal}")


def event_id_text(tenant: str, command_id: UUID, ordinal: int) -> str:
    """`event_id` as text, without the detour over UUID objects: one is made for every event."""
    name = command_id.bytes + f"{tenant}\n{ordinal}".encode()
    h = sha1(name, usedforsecurity=False).hexdigest()  # RFC 9562, 5.5
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{'89ab'[int(h[16], 16) & 3]}{h[17:20]}-{h[20:32]}"


def command_id_of_key(tenant: str, principal: str, key: str) -> UUID:
    """The command id of an HTTP `Idempotency-Key`."""
    return uuid5(NAMESPACE, f"{tenant}\n{principal}\nkey\n{key}")


def policy_command_id(policy: str, cause: UUID) -> UUID:
    """The command id of what a policy sends because of one event: sent twice, it has one effect."""
    return uuid5(cause, f"policy\n{policy}")


def slot_command_id(tenant: str, instance: str, kind: str, slot: str) -> UUID:
    """The command id of a scheduled run; `slot` is its time or the dataset version that it follows."""
    return uuid5(NAMESPACE, f"{tenant}\nmodel_instance\n{instance}\nslot\n{kind}\n{slot}")


def uuid7(unix_ms: int, random_bits: int) -> UUID:
    """A UUIDv7 (RFC 9562, 5.7) from a time in ms since 1970 and 74 random bits."""
    high = (unix_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (random_bits >> 62 & 0xFFF) << 64
    return UUID(int=high | 0b10 << 62 | random_bits & (1 << 62) - 1)
