"""API keys: `optaic_<key id>_<secret>`, 256 random bits, shown once; everywhere else there is only a hash."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

_FORM = re.compile("optaic_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
"""The prefix lets scanners of source code and logs find a key that got lost; the id says which one it is."""


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: the one moment at which its text is known."""

    key_id: str
    text: str = field(repr=False)

    @property
    def sha256(self) -> str:
        """What the log keeps of it."""
        return digest(self.text)


def new_key() -> NewKey:
    """A key that nobody has."""
    key_id = secrets.token_hex(8)
    return NewKey(key_id, f"optaic_{key_id}_{secrets.token_urlsafe(32)}")


def key_id_of(text: str) -> str | None:
    """The id inside a key; None if this is no key."""
    found = _FORM.fullmatch(text)
    return found[1] if found else None


def digest(text: str) -> str:
    """SHA-256 of a whole key. A slow hash would add nothing: 256 random bits cannot be guessed."""
    return hashlib.sha256(text.encode()).hexdigest()
