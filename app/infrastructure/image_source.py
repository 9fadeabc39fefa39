"""Frames of a folder or a glob of images, decoded with OpenCV.

Knows file names and image codecs. Knows nothing of other cameras, of the site, or of what a frame shows.
"""

import re
from glob import glob
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import CameraId, Frame
from app.errors import CameraUnavailable, FrameCorrupt

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})


class ImageSource:
    """The images of a folder, or those that a glob matches, as a FrameSource.

    Images come in the natural order of their paths (`img2` before `img10`), `fps` to a second from `start_s` on. Names
    that begin with a dot and suffixes other than SUFFIXES are passed over. An image that does not decode still takes
    its place in time.

    Args:
        camera_id: whose frames these are.
        pattern: a folder, a glob such as `C1/*_left.png`, or one image.
        fps: images per second of capture time.
        start_s: capture time of the first image, seconds.

    Raises:
        CameraUnavailable: no such folder, or no image in it.
    """

    def __init__(self, camera_id: CameraId, pattern: Path, fps: float, start_s: float = 0.0) -> None:
        self.camera_id = camera_id
        self.fps = fps
        self._pattern = pattern
        self._start_s = start_s
        self._paths = _images(pattern)
        if not self._paths:
            problem = "holds no" if pattern.is_dir() else "no such folder, or the glob matches no"
            kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
            raise CameraUnavailable(camera_id, f"{pattern}: {problem} image ({kinds})")
        self.frame_count: int | None = len(self._paths)
        self._index = 0
        self._size: tuple[int, int] | None = None
        self._ended = False

    def read(self) -> Frame | None:
        """Return the next image, or None at the end.

        Raises:
            FrameCorrupt: the image does not decode, or has another size than the first that did.
            CameraUnavailable: once, behind the last image, when none of them decoded.
        """
        if self._index >= len(self._paths):
            self._check_end()
            return None
        index, path = self._index, self._paths[self._index]
        self._index += 1
        try:
            pixels = _decode(path)
        except (OSError, cv2.error) as error:
            raise FrameCorrupt(self.camera_id, f"{path}: cannot be read: {_reason(error)}") from error
        if pixels is None:
            raise FrameCorrupt(self.camera_id, f"{path}: does not decode as an image")
        size = (pixels.shape[1], pixels.shape[0])
        self._size = self._size or size
        if size != self._size:
            problem = f"{path}: is {size[0]}x{size[1]}, the first image {self._size[0]}x{self._size[1]}"
            raise FrameCorrupt(self.camera_id, problem)
        return Frame(self.camera_id, self._start_s + index / self.fps, index, size, pixels)

    def close(self) -> None:
        """Forget the images that were not read."""
        self._index, self._ended = len(self._paths), True

    def _check_end(self) -> None:
        """Raise CameraUnavailable, the first time only, where no image decoded."""
        ended, self._ended = self._ended, True
        if self._size is None and not ended:
            raise CameraUnavailable(self.camera_id, f"{self._pattern}: none of its {len(self._paths)} images decodes")


def _images(pattern: Path) -> list[Path]:
    if pattern.is_dir():
        found = list(pattern.iterdir())
    elif pattern.is_file():
        found = [pattern]
    else:
        found = [Path(name) for name in glob(str(pattern), recursive=True)]
    images = [path for path in found if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    return sorted((path for path in images if path.is_file()), key=_natural_order)


def _natural_order(path: Path) -> tuple[list[str | int], str]:
    parts = re.split(r"(\d+)", str(path).casefold())  # text and digits take turns, so like is compared with like
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], str(path)


def _decode(path: Path) -> NDArray[np.uint8] | None:
    """Return (height, width, 3) BGR, or None when the content is no complete image."""
    content = np.fromfile(path, dtype=np.uint8)
    if not len(content):
        return None
    pixels = cv2.imdecode(content, cv2.IMREAD_COLOR)
    return None if pixels is None else np.asarray(pixels, dtype=np.uint8)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]
