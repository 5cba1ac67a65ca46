"""What can go wrong with stored bytes and uploaded rows: artifacts, archives, datasets, calendars."""

from domain.shared.errors import Kind, RuleBroken


class ArtifactMissing(RuleBroken):
    """No artifact has this hash."""

    kind = Kind.NOT_FOUND
    remedy = "Check the SHA-256; upload the bytes with POST /api/v1/blobs if they were never stored."


class ArtifactPurged(RuleBroken):
    """The artifact's bytes were purged on purpose; its hash and history stay."""

    kind = Kind.GONE
    remedy = "Read the purge's reason in the activity log; use another version."


class ArtifactHashMismatch(RuleBroken):
    """The stored bytes are not the bytes that were stored: they are never handed out."""

    kind = Kind.STATE
    remedy = "Restore it from a backup or store the right bytes again; `optaic-mlops verify` lists all."


class ArchiveMalformed(RuleBroken):
    """The bytes are not a zip that can be trusted."""

    remedy = (
        "Build the zip again from the folder, with the `definition` commands or any ordinary zip program."
    )


class ArchiveMemberForbidden(RuleBroken):
    """A member of the archive has a name or a kind that could write outside its folder or hide another."""

    remedy = "Keep to plain files with relative names: no `..`, no absolute names, no links, no name twice."


class ArchiveTooLarge(RuleBroken):
    """The archive, or what it unpacks to, is larger than allowed."""

    kind = Kind.TOO_LARGE
    remedy = "Leave out what is not needed; data belongs into datasets."


class DatasetContentMalformed(RuleBroken):
    """The upload cannot be read as what its media type says."""

    remedy = (
        "Send a Parquet file, an Arrow IPC file or stream, or CSV with a header, under its own media type."
    )


class DatasetMediaTypeUnsupported(RuleBroken):
    """Rows come as Parquet, Arrow or CSV."""

    kind = Kind.UNSUPPORTED
    remedy = "Use application/vnd.apache.parquet, application/vnd.apache.arrow.file (or .stream) or text/csv."


class DatasetColumnMissing(RuleBroken):
    """The upload lacks a column of the row model or of the declaration."""

    remedy = "Send entity, date, knowledge_date and every declared column; a value that is not known is null."


class DatasetColumnUnknown(RuleBroken):
    """A column that the dataset does not have."""

    remedy = "Leave it out, or create a dataset that declares it; `seq` is given by the store."


class DatasetColumnDuplicated(RuleBroken):
    """Two columns have one name."""

    remedy = "Give every column a name of its own."


class DatasetColumnTypeWrong(RuleBroken):
    """A column's values are not of the declared type."""

    remedy = "Cast the column to its declared type before sending; only lossless widening is done here."


class DatasetKeyNull(RuleBroken):
    """entity, date and knowledge_date are never null."""

    remedy = "Fill the key; a series without entities uses the empty string."


class DatasetDateOutOfRange(RuleBroken):
    """`date` and `knowledge_date` lie between the years 1800 and 2200."""

    remedy = "Correct the date; a year far off is mostly a wrong unit or a swapped day."


class DatasetTooLarge(RuleBroken):
    """One upload has at most 50 million rows."""

    kind = Kind.TOO_LARGE
    remedy = "Split the rows into several writes."


class DatasetRowDuplicated(RuleBroken):
    """Two rows of one upload have equal entity, date and knowledge_date."""

    remedy = "Decide which row holds; a correction comes in a later write."


class DatasetValueNotFinite(RuleBroken):
    """NaN and infinities are not values."""

    remedy = (
        "Send null for a value that is known to be unknown, and leave the row out if it is not known yet."
    )


class DatasetTombstoneWithValues(RuleBroken):
    """A row with op D removes its key; its values are null."""

    remedy = "Null the values of D rows, or send op U."


class DatasetOpUnknown(RuleBroken):
    """`op` is U (upsert, a full row) or D (tombstone)."""

    remedy = "Use U or D, or leave the column out."


class DatasetUploadEmpty(RuleBroken):
    """A dataset's first version needs at least one row."""

    remedy = "Send at least one row."


class DatasetLocationUnknown(RuleBroken):
    """Files made elsewhere lie under a named location of the settings."""

    remedy = "Use one of the locations that the service was started with."


class DatasetKeyForbidden(RuleBroken):
    """A located file's key must stay inside its location."""

    remedy = "Use a relative key without `..`, links, drive letters or backslashes."


class DatasetFileMissing(RuleBroken):
    """A file that is needed is not there."""

    kind = Kind.NOT_FOUND
    remedy = "Put the file back or restore it from a backup; `optaic-mlops verify` lists what is missing."


class DatasetRowsDiffer(RuleBroken):
    """A located file does not hold the number of rows that was announced."""

    remedy = "Announce the file again with its true number of rows."


class DatasetHashMismatch(RuleBroken):
    """A file's bytes are not those that its hash names: they are never handed out."""

    kind = Kind.STATE
    remedy = "Restore the file from a backup; `optaic-mlops verify` lists all that differ."


class DatasetManifestMissing(RuleBroken):
    """No version of a dataset has this manifest."""

    kind = Kind.NOT_FOUND
    remedy = "Take the hash from the version's facts."


class DatasetPurged(RuleBroken):
    """Bytes of this dataset version were purged on purpose; manifest, hashes and history stay."""

    kind = Kind.GONE
    remedy = "Read the purge's reason in the activity log; read an earlier version that does not need them."


class CalendarUnknown(RuleBroken):
    """There is no trading calendar of this name."""

    remedy = "Use an exchange_calendars name such as XNYS."


class CalendarRangeExceeded(RuleBroken):
    """The calendar does not reach as far as was asked."""

    remedy = "Ask within the calendar's range."


class CalendarDayNotASession(RuleBroken):
    """The exchange was closed on this day."""

    remedy = "Name a session, or give a full time with offset."
