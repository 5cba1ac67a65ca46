"""How far the scheduler of this data folder has come."""

import os
from datetime import datetime
from pathlib import Path

import msgspec

from application.ports import ActivityLog
from domain.shared.errors import Kind, RuleBroken
from domain.shared.times import from_micros, to_micros
from infrastructure.log_place import event_id_at, is_of_log


class SlotProgressUnreadable(RuleBroken, resource="slot_progress"):
    """The file that says how far the scheduler has come does not say it."""

    kind = Kind.UNAVAILABLE
    remedy = "Restore the file, or delete it: the scheduler then begins at now, past all old slots."


class _Saved(msgspec.Struct, frozen=True):
    """`event_id` is that of the event at `position`, None for an empty log: it tells one log from another."""

    settled_us: int
    position: int
    event_id: str | None = None


_decode = msgspec.json.Decoder(_Saved).decode


class SlotProgressFile:
    """One small file, replaced as a whole; losing its last state repeats commands, which have one effect."""

    def __init__(self, path: Path, log: ActivityLog) -> None:
        self._path = path
        self._log = log

    def load(self) -> datetime | None:
        """The moment up to which all is settled; None where no scheduler was, or where the log is another
        one: it was imported, or restored and went another way. Raises SlotProgressUnreadable.
        """
        try:
            saved = _decode(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise SlotProgressUnreadable(f"{self._path}: {error}", file=str(self._path)) from None
        is_ours = is_of_log(self._log, saved.position, saved.event_id, saved.settled_us)
        return from_micros(saved.settled_us) if is_ours else None

    def save(self, settled: datetime, position: int) -> None:
        """Every slot up to this moment is settled."""
        content = msgspec.json.encode(_Saved(to_micros(settled), position, event_id_at(self._log, position)))
        aside = self._path.with_suffix(".new")
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._path)
