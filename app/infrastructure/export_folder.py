"""The folder in which exports lie: in each job's own folder, slices and at last the file.

Whatever has its final name is whole: everything is written under another name first. Knows no history.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from app.domains.analytics.figures import Period
from app.domains.analytics.places import PlaceId
from app.domains.vocabulary import CameraId, GlobalId
from app.infrastructure.export_formats import SUFFIXES, encoding_of, join
from app.infrastructure.job_folder import NEW, JobFolder
from app.orchestration.exports import Encoding, ExportJob, Slice
from app.orchestration.job_queue import JobState
from app.orchestration.tables import Format, Order, Table, What


class ExportFolder(JobFolder[ExportJob]):
    """An ExportShelf in a folder.

    Args:
        path: the folder; made when something is put there.
        site: its name, for the files' names.
        cameras: frames a second of the site's cameras; None where nobody knows.
    """

    def __init__(self, path: Path, site: str, cameras: Mapping[CameraId, float | None]) -> None:
        super().__init__(path, _job_of)
        self._site, self._cameras = site, cameras

    def slice(self, job: ExportJob) -> Slice:
        """Begin the slice behind the last one that is written."""
        encoding = encoding_of(job.order, self._cameras)
        return _Slice(self._part(job, job.written), encoding, job)

    def finish(self, job: ExportJob) -> ExportJob:
        """Join the slices to the file, and remove them."""
        file = self.file(job)
        parts = [self._part(job, number) for number in range(job.slices)]
        fresh = file.with_name(file.name + NEW)
        if not file.exists():
            with fresh.open("wb") as whole:
                join(job.order, parts, whole)
                whole.flush()
                os.fsync(whole.fileno())
            fresh.replace(file)
        for part in parts:
            part.unlink(missing_ok=True)
        return replace(job, size=file.stat().st_size, filename=self._filename(job))

    def file(self, job: ExportJob) -> Path:
        """Return where the file of a job that is done lies."""
        return self.of(job) / f"export.{SUFFIXES[job.order.format]}"

    def free(self) -> int:
        """Return how many bytes the disk has left."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return shutil.disk_usage(self.path).free

    def encoding(self, order: Order) -> Encoding:
        """Return how the rows of an order are written in one go."""
        return encoding_of(order, self._cameras)

    def _part(self, job: ExportJob, number: int) -> Path:
        return self.of(job) / f"slice-{number:06d}"

    def _filename(self, job: ExportJob) -> str:
        return f"{self._site}-{job.order.what.value}.{SUFFIXES[job.order.format]}"


class _Slice:
    """A slice on its way to its place."""

    def __init__(self, path: Path, encoding: Encoding, job: ExportJob) -> None:
        self._path, self._fresh = path, path.with_name(path.name + NEW)
        self._encoding, self._alone = encoding, job.order.format is Format.PARQUET
        self._file: BinaryIO = self._fresh.open("wb")
        if self._alone or job.written == 0:
            self._file.write(encoding.begin())

    def add(self, table: Table) -> int:
        self._file.write(self._encoding.rows(table))
        return self._file.tell()

    def close(self, *, whole: bool) -> None:
        try:
            if whole and self._alone:
                self._file.write(self._encoding.end())
            if whole:
                self._file.flush()
                os.fsync(self._file.fileno())
        finally:
            self._file.close()
        if whole:
            self._fresh.replace(self._path)
        else:
            self._fresh.unlink(missing_ok=True)


def _job_of(plain: Mapping[str, Any]) -> ExportJob:
    """Return the job that a manifest describes."""
    order = plain["order"]
    whole = Order(
        what=What(order["what"]),
        format=Format(order["format"]),
        period=Period(float(order["period"]["since"]), float(order["period"]["until"])),
        place=None if order["place"] is None else PlaceId(order["place"]),
        camera=None if order["camera"] is None else CameraId(order["camera"]),
        identity=None if order["identity"] is None else GlobalId(order["identity"]),
        bucket_s=float(order["bucket_s"]),
    )
    return ExportJob(**{**plain, "order": whole, "state": JobState(plain["state"])})
