"""Errors are named after the rule they break; the code follows from the name, the edge maps the kind once."""

import re
from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    """What sort of refusal it is; each way in has one table from kind to its own status."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    STATE = "state"
    GONE = "gone"
    STALE = "stale"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class RuleBroken(Exception):
    """A rule refused this. `detail` says what was wrong with this input, `remedy` what to do instead.

    A subclass is named `<Resource><Rule>`: `RunAlreadyFinished` has the code `run.already_finished`.
    `resource=` in the class line names a resource of several words.
    """

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "rule.broken"
    remedy: ClassVar[str] = "Read the detail and send a corrected command."
    catalogue: ClassVar[dict[str, type["RuleBroken"]]] = {}

    def __init_subclass__(cls, *, resource: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        words = [word.lower() for word in re.findall("[A-Z][a-z0-9]*", cls.__name__)]
        count = len(resource.split("_")) if resource else 1
        cls.code = f"{'_'.join(words[:count])}.{'_'.join(words[count:])}"
        RuleBroken.catalogue[cls.code] = cls

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts
        """Values a program may want beside the sentence: plain JSON."""


class CommandMalformed(RuleBroken):
    """The command is not of the form that its type asks for."""

    kind = Kind.MALFORMED
    remedy = "Compare the body with the schema of this command in the OpenAPI document."


class CommandUnknown(RuleBroken):
    """No command has this type."""

    kind = Kind.MALFORMED
    remedy = "Use one of the command types listed in docs/commands.md."


class CommandIdReused(RuleBroken):
    """The command id (or Idempotency-Key) was used before with another body."""

    kind = Kind.STATE
    remedy = "Repeat the first body to get its outcome again, or take a new id."


class CommandTooLarge(RuleBroken):
    """A command makes at most 256 events of at most 64 KiB each."""

    kind = Kind.TOO_LARGE
    remedy = "Split the command, or store large content as a blob and pass its SHA-256."


class ReasonMissing(RuleBroken):
    """This command changes what runs in production, so it needs a reason."""

    remedy = "Send a non-empty `reason`: one sentence that an auditor will read."


class StreamConflict(RuleBroken):
    """Another writer was first: the stream is at another version than expected."""

    kind = Kind.STATE
    remedy = "Read the resource again and decide anew."


class StreamVersionStale(RuleBroken):
    """`If-Match` or `expected_versions` names a version that is no longer current."""

    kind = Kind.STALE
    remedy = "Read the resource again, look at what changed, and send its present ETag."


class LogBusy(RuleBroken):
    """The log's queue is full; nothing was written."""

    kind = Kind.UNAVAILABLE
    remedy = "Wait as Retry-After says and send the same command again."


class ReferenceMalformed(RuleBroken):
    """A reference such as `spx-alpha@3` or `training_run:0192…` is not of its form."""

    kind = Kind.MALFORMED
    remedy = "Definition name@1.2.0, model version instance@3, dataset version name@12, lineage node type:id."


class AsOfInFuture(RuleBroken, resource="as_of"):
    """Nothing can be asked as of a moment that has not come."""

    kind = Kind.MALFORMED
    remedy = "Ask for a moment up to now, or leave as_of out."


class AsOfBeyondLog(RuleBroken, resource="as_of"):
    """The position lies beyond the head of the log."""

    kind = Kind.MALFORMED
    remedy = "Use a position up to the head; X-Log-Position of any answer names one."


class AsOfMalformed(RuleBroken, resource="as_of"):
    """Not a log position, nor a time with an offset."""

    kind = Kind.MALFORMED
    remedy = "Send a position such as 71, or an RFC 3339 time with offset such as 2026-03-14T17:00:00Z."


class ProjectionBehind(RuleBroken):
    """The view has not reached the position asked for in time."""

    kind = Kind.UNAVAILABLE
    remedy = "Ask again shortly; /api/v1/system/projections shows each view's position."
