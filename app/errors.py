"""The exceptions that SpotOn raises on purpose.

    SpotOnError
    ├── ConfigError            bad settings, site file or input file    start-up stops, one readable line, exit code 2
    │   └── CalibrationError   degenerate homography, wrong shape, reprojection error above tolerance
    ├── CameraError            one camera is at fault, the others go on
    │   ├── CameraUnavailable  cannot be opened, or has no frames
    │   └── FrameCorrupt       one frame does not decode: counted and skipped
    ├── ModelError             weights missing, or of another shape than the adapter needs
    ├── DeviceError            a graphics card that is missing, full or lost: the run stops
    └── StoreError             the history cannot be read or written now; tracking goes on
        └── StoreRefused       the database will never take it

Knows nothing of how an error is shown.
"""

from pathlib import Path


class SpotOnError(Exception):
    """Root of the tree: a fault that has a readable, one-line explanation."""


class ConfigError(SpotOnError):
    """A file or setting is wrong.

    Args:
        path: the file at fault.
        key: dotted path of the key, line or field inside it; empty when the whole file is at fault.
        problem: what is wrong and how to mend it.
    """

    def __init__(self, path: Path | str, key: str, problem: str) -> None:
        self.path, self.key, self.problem = path, key, problem
        super().__init__(f"{path}: {key}: {problem}" if key else f"{path}: {problem}")


class CalibrationError(ConfigError):
    """A calibration cannot map image points to the floor."""


class CameraError(SpotOnError):
    """One camera is at fault; carries `camera_id`."""

    def __init__(self, camera_id: str, problem: str) -> None:
        self.camera_id, self.problem = camera_id, problem
        super().__init__(f"camera {camera_id}: {problem}")


class CameraUnavailable(CameraError):
    """A camera cannot be opened, or yields no frame at all."""


class FrameCorrupt(CameraError):
    """One frame of a camera cannot be decoded; reading may go on with the next."""


class ModelError(SpotOnError):
    """Weights are missing or do not fit the adapter that should load them."""

    def __init__(self, path: Path | str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}: {problem}")


class DeviceError(SpotOnError):
    """A graphics card is not there, too small, or has stopped to answer; no later step can succeed in this process."""

    def __init__(self, device: str, problem: str) -> None:
        self.device, self.problem = device, problem
        super().__init__(f"device {device}: {problem}")


class StoreError(SpotOnError):
    """The history cannot be read or written now; the next try may succeed."""

    def __init__(self, path: Path | str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}: {problem}")


class StoreRefused(StoreError):
    """The database answers and will never take this: trying again is of no use."""
