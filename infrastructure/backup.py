"""A backup of the log as a folder, and the way back into an empty log.

The folder holds `log.jsonl`, the export, and `manifest.json`, written last: how many events, their hash, the
file's hash, the life of the log. Artifacts and dataset files are not in it: they are never overwritten and
named in the log by their hash, so any copy of their store that is as new as the backup goes with it, and
`verify` compares the two. Views, offsets and leases are made anew.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

import msgspec

from domain.shared.errors import Kind, RuleBroken
from infrastructure.activity_log.errors import LogNotEmpty
from infrastructure.activity_log.exchange import rows_of
from infrastructure.activity_log.record import record_of

FORM = 1
LOG, MANIFEST = "log.jsonl", "manifest.json"
_CHUNK = 1 << 20


class BackupExists(RuleBroken):
    """A backup is never written over another file."""

    kind = Kind.STATE
    remedy = "Name a folder that does not exist yet."


class BackupDamaged(RuleBroken):
    """The folder is not a whole backup: a file is missing or differs from its hash."""

    remedy = "Take another backup; nothing was written."


class BackedLog(Protocol):
    """The log to be saved."""

    @property
    def epoch(self) -> str:
        """The life of the log."""
        ...

    def export(self, target: Path) -> int:
        """Write the export; returns the number of events."""
        ...


class EmptyLog(Protocol):
    """The log to be filled."""

    def head(self) -> int:
        """The last position."""
        ...

    def import_from(self, lines: Path) -> int:
        """Take an export, all or nothing."""
        ...

    def log_hash(self) -> str:
        """SHA-256 over all records."""
        ...


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    form: int
    events: int
    """Also the last position."""
    log_hash: str
    """SHA-256 over all records, as `verify` tells it."""
    file_sha256: str
    epoch: str
    """The life of the log when it was saved; a restore begins another one."""
    made_at: datetime


def backup(log: BackedLog, target: Path) -> Manifest:
    """Save the log as it stands now; the folder appears whole or not at all. Raises BackupExists.

    What was written is read again and hashed before the folder gets its name.
    """
    if target.exists():
        raise BackupExists(f"{target} exists", target=str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    aside.mkdir(mode=0o700)
    try:
        manifest = _write(log, aside)
        _sync(aside)
        aside.rename(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return manifest


def _write(log: BackedLog, folder: Path) -> Manifest:
    epoch = log.epoch
    log.export(folder / LOG)
    events, log_hash = _hash_of_records(folder / LOG)
    manifest = Manifest(
        form=FORM,
        events=events,
        log_hash=log_hash,
        file_sha256=_hash_of_file(folder / LOG),
        epoch=epoch,
        made_at=datetime.now(UTC),
    )
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    for name in (LOG, MANIFEST):
        _sync(folder / name)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """What a backup says of itself. Raises BackupDamaged."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupDamaged(f"{MANIFEST}: {error}", file=MANIFEST) from error
    if manifest.form != FORM:
        raise BackupDamaged(f"{MANIFEST} is of form {manifest.form}, not {FORM}", file=MANIFEST)
    return manifest


def restore(log: EmptyLog, folder: Path, *, database_url: str | None = None) -> Manifest:
    """Fill an empty log from a backup, all or nothing; returns the manifest with the log's new life.

    `database_url`: where the life of the log is kept; None for a log in a file. A new life begins, so that a
    topic which is ahead of the backup is noticed. Raises LogNotEmpty, BackupDamaged, LogLineRefused.
    """
    if head := log.head():
        raise LogNotEmpty(f"the log has {head} events", head=head)
    manifest = read_manifest(folder)
    path = folder / LOG
    if not path.is_file() or _hash_of_file(path) != manifest.file_sha256:
        raise BackupDamaged(f"{LOG} is missing or differs from its hash", file=LOG)
    if _hash_of_records(path) != (manifest.events, manifest.log_hash):
        raise BackupDamaged(f"the events of {LOG} are not those of the manifest", file=LOG)
    epoch = "" if database_url is None else _begin_new_life(database_url)
    log.import_from(path)
    return msgspec.structs.replace(manifest, epoch=epoch)


def _begin_new_life(database_url: str) -> str:
    """Before the import: if that fails, the log is still empty and the command can be repeated."""
    from infrastructure.kafka.relay_progress import forget_progress
    from infrastructure.postgres.connections import engine

    rows = engine(database_url, application_name="optaic-mlops restore", pool_size=1)
    try:
        return forget_progress(rows, uuid4().hex)
    finally:
        rows.dispose()


def _hash_of_records(path: Path) -> tuple[int, str]:
    digest, events = hashlib.sha256(), 0
    with path.open("rb") as stream:
        for row in rows_of(_lines(stream)):
            digest.update(record_of(row))
            events += 1
    return events, digest.hexdigest()


def _lines(stream: BinaryIO) -> Iterable[bytes]:
    return iter(stream.readline, b"")


def _hash_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
