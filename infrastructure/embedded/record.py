"""service.json: where the service of a data folder is, for this user only. Standard library only: it is read
at every command.
"""

import hashlib
import http.client
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

_PATIENCE_S = 5.0


@dataclass(frozen=True)
class ServiceRecord:
    """A running service."""

    pid: int
    host: str
    port: int
    token: str
    """Random; only who may read service.json knows it."""
    socket: str | None = None
    """A Unix socket with the same API; None: there is none."""

    @property
    def url(self) -> str:
        """The address of the service."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def fingerprint(self) -> str:
        """What `/api/v1/health` says of itself: it tells this service from another one on the same port."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:16]


def new_token() -> str:
    """A fresh token."""
    return secrets.token_hex(32)


def record_path(data: Path) -> Path:
    """Where the record of a data folder is."""
    return data / "service.json"


def write_record(data: Path, record: ServiceRecord) -> None:
    """Publish the record (mode 0600), whole or not at all."""
    temporary = data / f".service.json.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({**asdict(record), "url": record.url}, file)
    temporary.replace(record_path(data))


def read_record(data: Path) -> ServiceRecord | None:
    """The record, if there is one that can be read; its service may be gone."""
    try:
        known = json.loads(record_path(data).read_text(encoding="utf-8"))
        known.pop("url", None)
        return ServiceRecord(**known)
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def remove_record(data: Path, record: ServiceRecord) -> None:
    """Withdraw our own record, not one of a later service."""
    if read_record(data) == record:
        record_path(data).unlink(missing_ok=True)


def running(data: Path) -> ServiceRecord | None:
    """The service of a data folder, if it answers."""
    record = read_record(data)
    return record if record is not None and answers(record) else None


def answers(record: ServiceRecord) -> bool:
    """Whether the service that the record names is there, and not another one on its port."""
    connection = http.client.HTTPConnection(record.host, record.port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/api/v1/health")
        answer = json.loads(connection.getresponse().read())
        return answer.get("service") == record.fingerprint
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        return False
    finally:
        connection.close()
