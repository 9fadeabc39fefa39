"""The folder in which a running site keeps its history: one program at a time, readable by its user alone."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from app.domains.vocabulary import CameraId
from app.errors import ConfigError

Size = tuple[int, int]


class DataFolder:
    """Holds the folder while the context lasts; made where there is none.

    Args:
        path: the folder.

    Raises:
        ConfigError: on entering, when another program holds it, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def __enter__(self) -> "DataFolder":
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(self.path, "", f"history cannot be kept there: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go of it when the program dies
        except OSError as error:
            os.close(self._lock)
            problem = "another spoton keeps its history there; stop that one, or give this one another --data"
            raise ConfigError(self.path, "", problem) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def sizes(self) -> dict[CameraId, Size]:
        """Return the (width, height) of each camera's frames when it was seen last; empty where none is known.

        Raises:
            ConfigError: the file was spoiled.
        """
        path = self.path / "cameras.json"
        if not path.exists():
            return {}
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            return {CameraId(camera): (int(width), int(height)) for camera, (width, height) in known.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ConfigError(path, "", "cannot be read as the cameras' sizes; remove it") from error

    def remember_sizes(self, sizes: Mapping[CameraId, Size]) -> None:
        """Keep the sizes for the next start, when a camera may be silent."""
        path = self.path / "cameras.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(sizes), encoding="utf-8")
        fresh.replace(path)
