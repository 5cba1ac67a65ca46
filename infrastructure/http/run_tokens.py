"""The token of a run's worker: made by the service when the run is claimed, needed for all that follows."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from domain.run.errors import RunTokenInvalid

_KEY_BYTES = 32


class RunTokens:
    """HMAC-SHA-256 of the run's id under a key that only this data folder holds."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of_folder(cls, data: Path) -> "RunTokens":
        """With the folder's key, made at the first use (mode 0600).

        Half a key, left by a process that was killed or a full disk, would be one that others can guess: it
        is made anew.
        """
        path = data / "run-tokens.key"
        if not path.exists() or path.stat().st_size != _KEY_BYTES:
            aside = path.with_suffix(".new")
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        return cls(path.read_bytes())

    def make(self, run_id: str) -> str:
        """The token of a run."""
        return hmac.new(self._key, run_id.encode(), hashlib.sha256).hexdigest()

    def check(self, run_id: str, authorization: str | None) -> None:
        """Check an `Authorization: Bearer …` header. Raises RunTokenInvalid."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(self.make(run_id).encode(), token.encode()):
            raise RunTokenInvalid(f"this is not the token of run {run_id}")
