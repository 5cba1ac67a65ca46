"""Reads uploaded bytes into a frame, by media type; columns keep the types that they came with."""

import csv
from collections.abc import Callable

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from application.errors import (
    DatasetColumnDuplicated,
    DatasetContentMalformed,
    DatasetMediaTypeUnsupported,
    DatasetTooLarge,
)

PARQUET = "application/vnd.apache.parquet"
ARROW_FILE = "application/vnd.apache.arrow.file"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
CSV = "text/csv"
MEDIA_TYPES_BY_SUFFIX = {".parquet": PARQUET, ".arrow": ARROW_FILE, ".feather": ARROW_FILE, ".csv": CSV}

MOST_ROWS = 50_000_000

_UNREADABLE = (pl.exceptions.PolarsError, pa.ArrowException, csv.Error, OSError, ValueError, OverflowError)


def form_of(media_type: str) -> str:
    """The media type without its parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()


def read_rows(content: bytes, media_type: str) -> pl.DataFrame:
    """The frame in an upload. CSV columns are all strings, an empty field is null.

    Raises DatasetMediaTypeUnsupported, DatasetContentMalformed, DatasetColumnDuplicated.
    """
    read = _READERS.get(form_of(media_type))
    if read is None:
        raise DatasetMediaTypeUnsupported(f"{media_type!r} is not a media type of rows")
    try:
        return read(content)
    except pl.exceptions.DuplicateError as problem:
        raise DatasetColumnDuplicated(_first_line(problem)) from None
    except _UNREADABLE as problem:
        raise DatasetContentMalformed(f"not readable as {media_type}: {_first_line(problem)}") from None
    except pl.exceptions.PanicException as problem:
        raise DatasetContentMalformed(f"not readable as {media_type}: {_first_line(problem)}") from None


def _read_parquet(content: bytes) -> pl.DataFrame:
    rows = pq.read_metadata(pa.BufferReader(content)).num_rows
    if rows > MOST_ROWS:  # a few bytes may say "the same value a billion times"
        raise DatasetTooLarge(f"the file has {rows} rows, more than {MOST_ROWS}")
    return pl.read_parquet(content)


def _read_arrow_file(content: bytes) -> pl.DataFrame:
    with pa.ipc.open_file(pa.BufferReader(content)) as reader:
        return _from_arrow(reader.read_all())


def _read_arrow_stream(content: bytes) -> pl.DataFrame:
    with pa.ipc.open_stream(pa.BufferReader(content)) as reader:
        return _from_arrow(reader.read_all())


def _from_arrow(table: pa.Table) -> pl.DataFrame:
    _check_names(table.column_names)
    table.validate(full=True)  # offsets that point outside their buffers would end the process
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _read_csv(content: bytes) -> pl.DataFrame:
    header = content.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode()
    _check_names(next(csv.reader([header]), []))
    return pl.read_csv(content, infer_schema=False)


def _check_names(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise DatasetColumnDuplicated(
                f"there are {names.count(name)} columns named {name!r}", column=name
            )


def _first_line(problem: BaseException) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0][:300]


_READERS: dict[str, Callable[[bytes], pl.DataFrame]] = {
    PARQUET: _read_parquet,
    ARROW_FILE: _read_arrow_file,
    ARROW_STREAM: _read_arrow_stream,
    CSV: _read_csv,
}
