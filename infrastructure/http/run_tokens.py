"""The token of a run's worker: made by the service when the run is claimed, needed for all that follows."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from domain.run.errors import RunTokenInvalid

_KEY_BYTES = 32


class RunTokens:
    """HMAC-SHA-256 of the run's id, and its tenant where there are several, under a key of the service."""

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

    def make(self, run_id: str, tenant: str | None = None) -> str:
        """The token of a run; None: the service has one tenant only."""
        of = run_id if tenant is None else f"{tenant}\n{run_id}"
        return hmac.new(self._key, of.encode(), hashlib.sha256).hexdigest()

    def check(self, run_id: str, token: str | None, tenant: str | None = None) -> None:
        """Raises RunTokenInvalid."""
        if not hmac.compare_digest(self.make(run_id, tenant).encode(), (token or "").encode()):
            raise RunTokenInvalid(f"this is not the token of run {run_id}")


def sent_token(run_token: str | None, authorization: str | None) -> str | None:
    """The token of a request: `X-Run-Token`, or `Authorization: Bearer …` where that carries no API key."""
    if run_token is not None:
        return run_token
    scheme, _, token = (authorization or "").partition(" ")
    return token if scheme.lower() == "bearer" else None
