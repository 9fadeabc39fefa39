"""A folder in which jobs lie: for each a folder of its own with a manifest. Knows not what the jobs do."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from app.orchestration.job_queue import Job

MANIFEST, NEW = "manifest.json", ".new"  # what ends with the latter is not whole
JobT = TypeVar("JobT", bound=Job)


class JobFolder(Generic[JobT]):
    """A Shelf in a folder.

    Args:
        path: the folder; made when something is put there.
        job_of: makes a job of what `dataclasses.asdict` made of one, as JSON keeps it.
    """

    def __init__(self, path: Path, job_of: Callable[[Mapping[str, Any]], JobT]) -> None:
        self.path, self._job_of = path, job_of
        self._log = structlog.get_logger("jobs")

    def of(self, job: JobT) -> Path:
        """Return a job's own folder."""
        return self.path / job.job_id

    def load(self) -> list[JobT]:
        """Return all jobs; what cannot be read is left where it is, and named in the log."""
        jobs = []
        for manifest in sorted(self.path.glob(f"*/{MANIFEST}")):
            try:
                job = self._job_of(json.loads(manifest.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError, KeyError) as error:
                self._log.warning("a job's manifest cannot be read", file=str(manifest), error=str(error))
                continue
            if manifest.parent == self.of(job):  # nothing that a manifest says may lead elsewhere
                jobs.append(job)
        return jobs

    def save(self, job: JobT) -> None:
        """Keep what is known of a job."""
        folder = self.of(job)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / f"{MANIFEST}{NEW}"
        fresh.write_text(json.dumps(asdict(job), indent=2) + "\n", encoding="utf-8")
        fresh.replace(folder / MANIFEST)

    def remove(self, job: JobT) -> None:
        """Remove a job with all that was written."""
        shutil.rmtree(self.of(job), ignore_errors=True)
