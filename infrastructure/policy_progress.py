"""How far the policies of this data folder have come."""

import os
from pathlib import Path

import msgspec

from application.ports import ActivityLog, Clock
from domain.shared.errors import Kind, RuleBroken
from domain.shared.times import to_micros
from infrastructure.log_place import event_id_at, is_of_log


class PolicyProgressUnreadable(RuleBroken, resource="policy_progress"):
    """The file that says how far the policies have come does not say it."""

    kind = Kind.UNAVAILABLE
    remedy = (
        "Restore the file, or delete it: policies then start at the head of the log, past all old events."
    )


class _Saved(msgspec.Struct, frozen=True):
    """`event_id` is that of the event at `position`, None for an empty log: it tells one log from another."""

    position: int
    event_id: str | None = None
    saved_at_us: int = 0


_decode = msgspec.json.Decoder(_Saved).decode


class PolicyProgressFile:
    """One small file, replaced as a whole; losing its last state repeats commands, which have one effect."""

    def __init__(self, path: Path, log: ActivityLog | None = None, clock: Clock | None = None) -> None:
        """`log`: whose policies these are, with its clock; None for who only looks at the position."""
        self._path = path
        self._log = log
        self._clock = clock

    def load(self) -> int | None:
        """The last position acted on; None where no policy has been, or where the log is not the one that
        they followed: it was imported, or restored and went another way. Raises PolicyProgressUnreadable.
        """
        saved = self._read()
        if saved is None or self._log is None:
            return None if saved is None else saved.position
        is_ours = is_of_log(self._log, saved.position, saved.event_id, saved.saved_at_us)
        return saved.position if is_ours else None

    def save(self, position: int) -> None:
        """Everything up to this position was acted on."""
        now_us = to_micros(self._clock.now()) if self._clock else 0
        event_id = event_id_at(self._log, position) if self._log else None
        content = msgspec.json.encode(_Saved(position, event_id, now_us))
        aside = self._path.with_suffix(".new")
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._path)

    def _read(self) -> _Saved | None:
        try:
            saved = _decode(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise PolicyProgressUnreadable(f"{self._path}: {error}", file=str(self._path)) from None
        if saved.position < 0:
            raise PolicyProgressUnreadable(f"{self._path}: position {saved.position}", file=str(self._path))
        return saved
