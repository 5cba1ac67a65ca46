"""A contract: the law that a definition carries."""

import hashlib
from typing import Any, Literal

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One guardrail of a definition: a kind, its settings, and what a breach does."""

    kind: str
    config: dict[str, Any] = {}
    enforce: Literal["block", "warn", "by_space"] = "by_space"
    """`by_space`: the space `official` blocks, `staging` warns."""

    def key(self) -> str:
        """`kind#` and the first 16 hex digits of the SHA-256 of kind and config: names this contract in
        reports.
        """
        return f"{self.kind}#{hashlib.sha256(_encode([self.kind, self.config])).hexdigest()[:16]}"
