"""Fetches weights into the models directory, from their makers or a mirror, and checks them against their checksums.

Where a checksum is not known beforehand, that of the first pull is written to SHA256SUMS beside the files (in the
format of sha256sum), and every later pull and check is held to it. Knows nothing of what the weights do.
"""

import hashlib
import os
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from app.errors import ModelError
from app.infrastructure.model_catalogue import PublishedFile, PublishedModel

RECORD = "SHA256SUMS"
CHUNK = 1 << 20
TIMEOUT_S = 60.0
Fetch = Callable[[str, Path], None]


class FileState(StrEnum):
    """What a check found out about a file."""

    PINNED = "matches the known checksum"
    RECORDED = "matches the checksum of its first pull"
    UNRECORDED = "no checksum is known"
    CHANGED = "differs from its checksum"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One file of a network and its state."""

    path: Path
    state: FileState
    sha256: str | None  # of what is on the disk


def pull(
    model: PublishedModel, into: Path, *, mirror: Path | None = None, fetch: Fetch | None = None
) -> list[CheckedFile]:
    """Bring a network's files to the models directory; those that are there and right stay.

    Args:
        model: of the catalogue.
        into: the models directory.
        mirror: a directory laid out like it, to copy from.
        fetch: gets a URL into a file where the mirror lacks it; None where the network is off limits.

    Returns:
        Each file and how it was checked.

    Raises:
        ModelError: a file can be had nowhere, or is not what its checksum says; it is thrown away then.
    """
    folder = into / model.name
    folder.mkdir(parents=True, exist_ok=True)
    recorded = _read_record(folder)
    for file in model.files:
        path = folder / file.name
        expected = file.sha256 or recorded.get(file.name)
        if not path.is_file() or (expected is not None and digest(path) != expected):
            _bring(file, path, expected, mirror and mirror / model.name / file.name, fetch)
        if file.sha256 is None:
            recorded[file.name] = digest(path)
    if recorded:
        _write_record(folder, recorded)
    return verify(model, into)


def verify(model: PublishedModel, directory: Path) -> list[CheckedFile]:
    """Compare a network's files with their checksums."""
    folder = directory / model.name
    recorded = _read_record(folder)
    return [_check(folder / file.name, file.sha256, recorded.get(file.name)) for file in model.files]


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(url: str, path: Path) -> None:
    """Get a file by HTTPS.

    Raises:
        ModelError: another scheme, here or behind a redirection, or the file cannot be had.
    """
    if not url.startswith("https://"):
        raise ModelError(path.name, "is fetched by https:// alone")
    opener = urllib.request.build_opener(_OnlyHttps, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file, CHUNK)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise ModelError(
            path.name, f"cannot be fetched from {url}: {reason}; --mirror takes it from a folder"
        ) from error


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirections to HTTPS and to nothing else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError("redirected away from https://")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]  # headers


def _bring(file: PublishedFile, path: Path, expected: str | None, copy: Path | None, fetch: Fetch | None) -> None:
    """Put a file in place, whole and right, or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        if copy is not None and copy.is_file():
            shutil.copyfile(copy, part)
        elif fetch is not None:
            fetch(file.url, part)
        else:
            where = "is not in the mirror" if copy is not None else "is not there"
            raise ModelError(
                path, f"{where}, and the network is off limits (--offline); its maker has it at {file.url}"
            )
        got = digest(part)
        if expected is not None and got != expected:
            raise ModelError(path, f"not kept: its SHA-256 is {got}, expected {expected}")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _check(path: Path, pinned: str | None, recorded: str | None) -> CheckedFile:
    if not path.is_file():
        return CheckedFile(path, FileState.MISSING, None)
    got, expected = digest(path), pinned or recorded
    if expected is None:
        return CheckedFile(path, FileState.UNRECORDED, got)
    if got != expected:
        return CheckedFile(path, FileState.CHANGED, got)
    return CheckedFile(path, FileState.PINNED if pinned else FileState.RECORDED, got)


def _read_record(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    if not path.is_file():
        return {}
    lines = (line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {name.strip().removeprefix("*"): sha256 for sha256, name in lines}


def _write_record(folder: Path, recorded: dict[str, str]) -> None:
    text = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(recorded.items()))
    (folder / RECORD).write_text(text, encoding="utf-8")
