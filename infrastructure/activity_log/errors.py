"""What the log refuses, each named after the rule."""

from domain.shared.errors import Kind, RuleBroken


class LogOwnedElsewhere(RuleBroken):
    """One process owns a log; another one has it open."""

    kind = Kind.UNAVAILABLE
    remedy = "Talk to the process that owns the log over HTTP, or stop it; its pid is in the lock file."


class LogOnNetworkFileSystem(RuleBroken):
    """SQLite's locks and syncs do not hold on network file systems."""

    remedy = "Put the data folder on a local disk."


class LogFileForeign(RuleBroken):
    """The file is not an activity log, or one of a later release."""

    remedy = "Check the data folder, and the release that wrote it."


class LogClosed(RuleBroken):
    """The log was closed; nothing was written."""

    kind = Kind.UNAVAILABLE
    remedy = "Send the same command again when the service is back."


class LogWriteFailed(RuleBroken):
    """The database could not write; whether the command was recorded is unknown."""

    kind = Kind.UNAVAILABLE
    remedy = "Look at the database, then send the same command again: its id makes it happen once."


class LogHeadMoved(RuleBroken):
    """Somebody else moved the head of the log: this process is not its only writer."""

    kind = Kind.UNAVAILABLE
    remedy = "Stop every process that opens the file, then run verify."


class LogHeadWrong(RuleBroken):
    """The head row and the last event disagree: the log was cut or changed from outside."""

    kind = Kind.UNAVAILABLE
    remedy = "Run verify, and restore the log from a backup or an export."


class LogTopicUnknown(RuleBroken):
    """The stream holds an event that this release does not know; it must not decide on half of the facts."""

    kind = Kind.UNAVAILABLE
    remedy = "Run the release that wrote the event, or a later one."


class LogNotEmpty(RuleBroken):
    """Only an empty log takes an import."""

    kind = Kind.STATE
    remedy = "Import into a new data folder."


class LogLineRefused(RuleBroken):
    """A line of the import is not the next event of a log; nothing was imported."""

    remedy = "Export again; an export is complete, in order and unchanged, or it is refused."


class LogBytesUnreadable(RuleBroken):
    """A stored payload is not UTF-8 text: it was changed from outside."""

    remedy = "Run verify, and restore the log from a backup or an export."


class SqliteTooOld(RuleBroken):
    """The log's statements need SQLite 3.38 or later."""

    remedy = "Install pysqlite3 0.6.1 or later, which bundles SQLite 3.53."


class SqliteSettingRefused(RuleBroken):
    """SQLite did not take a setting that the log's guarantees rest on."""

    remedy = "Look for a read-only folder or an unusual build of SQLite; the detail names the setting."


class EventPayloadNotFinite(RuleBroken):
    """No NaN and no infinity in events: JSON cannot say them."""

    remedy = "Leave the figure out, or name the case in a field of its own."


class EventPayloadOutOfBounds(RuleBroken):
    """A value of the event is outside its declared bounds: it could be written, but never read again."""

    remedy = "Correct the field that the detail names; nothing was recorded."


class EventPayloadUnencodable(RuleBroken):
    """The payload, or a text of its envelope, cannot be written as JSON in UTF-8."""

    remedy = "Send plain text, finite numbers, lists and objects."
