"""The dataset store: checks and keeps rows, reads them as of any moment."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from application.errors import DatasetHashMismatch, DatasetRowsDiffer, DatasetUploadEmpty
from application.ports import PreparedVersion
from domain.dataset.declaration import DataFile, Declaration
from domain.dataset.events import ContentFacts, LocatedFile
from domain.point_in_time import aware
from infrastructure.artifacts.objects import ObjectFolder, Objects
from infrastructure.datasets.columns import fitted
from infrastructure.datasets.files import ROWS_PER_FILE, DatasetFiles
from infrastructure.datasets.frames import KEY
from infrastructure.datasets.intake import CSV, MEDIA_TYPES_BY_SUFFIX, PARQUET, form_of, read_rows
from infrastructure.datasets.located import located_content, refuse_changed
from infrastructure.datasets.reading import Wanted, read_version, stored_rows_known
from infrastructure.datasets.row_checks import check_rows
from infrastructure.datasets.verification import problems_of, rehashed
from infrastructure.datasets.writing import data_files, stored_version, unchanged

_UTC = ZoneInfo("UTC")


AREA = "dataset"
"""The first word of this store's failpoints."""


class StoredDatasets:
    """Implements `application.ports.DatasetStore` over objects, wherever they lie.

    `zone_of` gives the time zone of a calendar (R8); `locations` are the named roots of files made elsewhere.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        zone_of: Callable[[str], ZoneInfo],
        locations: Mapping[str, Path] | None = None,
        rows_per_file: int = ROWS_PER_FILE,
    ) -> None:
        self._files = DatasetFiles(objects, rows_per_file)
        self._zone_of = zone_of
        self._locations = dict(locations or {})

    def prepare(
        self,
        declaration: Declaration,
        parent: ContentFacts | None,
        content: Path,
        media_type: str,
        *,
        written_at: datetime,
        backfill: bool | None,
    ) -> PreparedVersion | None:
        """Check rows, drop those equal to stored ones, store the rest; None if nothing is left."""
        rows = self._checked_rows(declaration, content, media_type, written_at)
        if rows.is_empty():
            if parent is None:
                raise DatasetUploadEmpty("the upload has no row and the dataset has no version")
            return None
        return stored_version(
            self._files, declaration, parent, rows, written_at=written_at, backfill=backfill
        )

    def prepare_located(
        self,
        declaration: Declaration,
        parent: ContentFacts | None,
        files: Sequence[LocatedFile],
        *,
        written_at: datetime,
        backfill: bool,
    ) -> PreparedVersion:
        """Hash and check files under named locations and take them in.

        If all rows are stored already, the answer has no files and the parent's facts with `rows` 0.
        """
        rows = pl.concat([self._located_rows(declaration, file) for file in files])
        if rows.is_empty() and parent is None:
            raise DatasetUploadEmpty("the files have no row and the dataset has no version")
        if not rows.is_empty():
            check_rows(rows, declaration, self._zone(declaration), written_at)
            prepared = stored_version(
                self._files, declaration, parent, rows, written_at=written_at, backfill=backfill
            )
            if prepared is not None:
                return prepared
        assert parent is not None  # nothing is new only where something was
        return PreparedVersion(files=(), facts=unchanged(parent), backfill=False)

    def read(
        self,
        manifest_sha256: str,
        as_of: datetime | None,
        *,
        columns: Sequence[str] | None = None,
        first: date | None = None,
        last: date | None = None,
        entities: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """R2 over one version. Raises PitNaiveTimestamp, DatasetColumnUnknown, DatasetPurged,
        DatasetHashMismatch.
        """
        moment = None if as_of is None else aware(as_of, "as_of")
        wanted = Wanted(as_of=moment, columns=columns, first=first, last=last, entities=entities)
        return read_version(self._files, self._files.manifest(manifest_sha256), wanted)

    def read_revisions(self, manifest_sha256: str, as_of: datetime) -> pl.DataFrame:
        """Every stored row known at `as_of`, with `seq` and `op`; raises like `read`."""
        return stored_rows_known(self._files, self._files.manifest(manifest_sha256), aware(as_of, "as_of"))

    def compact(self, manifest_sha256: str) -> tuple[tuple[DataFile, ...], str, str]:
        """Rewrite a version's files into few. Raises DatasetHashMismatch if its rows are not those that were
        hashed.
        """
        manifest = self._files.manifest(manifest_sha256)
        rows = self._files.rows(manifest.files)
        if rehashed(rows, manifest.segments) != manifest.row_hash:
            raise DatasetHashMismatch(f"the rows of manifest {manifest_sha256} do not give its row hash")
        entries = self._files.write(rows, rows.select(KEY).is_duplicated(), f"compacted {manifest_sha256}")
        compacted = msgspec.structs.replace(manifest, files=entries, compacted_from=manifest_sha256)
        return data_files(entries), manifest.row_hash, self._files.put_manifest(compacted)

    def purge(self, files: Sequence[DataFile]) -> None:
        """Delete files' bytes; a read that needs one raises DatasetPurged."""
        for file in files:
            self._files.purge(file.sha256)

    def verify(self, manifest_sha256: str) -> list[str]:
        """Hash everything that a version needs; the problems found as `code: detail` (purged files are named
        too).
        """
        return problems_of(self._files, manifest_sha256)

    def _checked_rows(
        self, declaration: Declaration, content: Path, media_type: str, written_at: datetime
    ) -> pl.DataFrame:
        parse = form_of(media_type) == CSV
        rows = fitted(read_rows(content.read_bytes(), media_type), declaration.columns, parse=parse)
        if not rows.is_empty():
            check_rows(rows, declaration, self._zone(declaration), written_at)
        return rows

    def _located_rows(self, declaration: Declaration, file: LocatedFile) -> pl.DataFrame:
        path = located_content(file, self._locations)
        content = path.read_bytes()
        refuse_changed(file, content)
        media_type = MEDIA_TYPES_BY_SUFFIX.get(path.suffix, PARQUET)
        raw = read_rows(content, media_type)
        if raw.height != file.rows:
            raise DatasetRowsDiffer(
                f"{file.key!r} has {raw.height} rows, announced were {file.rows}", key=file.key
            )
        return fitted(raw, declaration.columns, parse=media_type == CSV)

    def _zone(self, declaration: Declaration) -> ZoneInfo:
        return _UTC if declaration.calendar is None else self._zone_of(declaration.calendar)


class FolderDatasetStore(StoredDatasets):
    """The datasets of one folder."""

    def __init__(
        self,
        root: Path,
        *,
        zone_of: Callable[[str], ZoneInfo],
        locations: Mapping[str, Path] | None = None,
        rows_per_file: int = ROWS_PER_FILE,
    ) -> None:
        super().__init__(
            ObjectFolder(root, AREA), zone_of=zone_of, locations=locations, rows_per_file=rows_per_file
        )
