"""How far the scheduler of this data folder has come."""

import os
from datetime import datetime
from pathlib import Path

import msgspec

from application.ports import ActivityLog
from domain.shared.errors import Kind, RuleBroken
from domain.shared.times import from_micros, to_micros


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
        return from_micros(saved.settled_us) if self._is_of_log(saved) else None

    def save(self, settled: datetime, position: int) -> None:
        """Every slot up to this moment is settled."""
        content = msgspec.json.encode(_Saved(to_micros(settled), position, self._event_id(position)))
        aside = self._path.with_suffix(".new")
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._path)

    def _is_of_log(self, saved: _Saved) -> bool:
        """An empty log is followed by events recorded later; older ones came with an import."""
        if saved.position > 0:
            return self._event_id(saved.position) == saved.event_id
        first = self._log.read(0, 1)
        return not first or first[0].recorded_at_us >= saved.settled_us

    def _event_id(self, position: int) -> str | None:
        found = self._log.read(position - 1, 1) if position > 0 else ()
        return str(found[0].event_id) if found else None
