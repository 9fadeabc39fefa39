"""Records one simulated camera: its video, and who is where in each frame. Knows no site file and no other camera."""

import math
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, cast

import av
import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import BoolArray, FloatArray, IntArray
from app.simulation.people import People
from app.simulation.source import SimulationSource

# Who is seen less than this share counts neither as found nor as missed; what of MOT17's people are annotated but
# hidden more is left out by its own evaluation of detectors (Milan et al. 2016, section 4.1, uses visibility).
LEAST_VISIBLE = 0.25
CRF = "22"  # quality of H.264: no blocks to be seen at 640 x 360
UNKNOWN = (-1.0, -1.0, -1.0)


class Recording:
    """A camera's `<id>.mp4` and `<id>/gt/gt.txt`. A context manager: leaving it finishes both files.

    Truth is MOTChallenge text of 11 columns: `frame,id,left,top,width,height,conf,x,y,z,visibility`. `conf` is 0 for
    those who are hardly visible or outside the watched floor. A place on the floor is given in frames whose picture and
    time stamp are right; in the others it is -1,-1,-1.

    Attributes:
        source: gives the frames.
        complete: whether every frame so far has come, so that their number tells their time.

    Args:
        folder: where the files go; it exists.
        source: of the frames, of which none is read yet.
    """

    def __init__(self, folder: Path, source: SimulationSource) -> None:
        self.source = source
        self.complete = True
        self._truth = folder / source.camera_id / "gt" / "gt.txt"
        self._rows: list[str] = []
        self._frames = 0
        self._container = av.open(str(folder / f"{source.camera_id}.mp4"), "w", options={"movflags": "+faststart"})
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        options = {"crf": CRF, "preset": "veryfast"} if codec == "libx264" else {"qscale": "3"}
        self._rate = Fraction(source.fps).limit_denominator(1001)
        self._stream = cast(av.VideoStream, self._container.add_stream(codec, rate=self._rate, options=options))
        self._stream.width, self._stream.height = source.size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = 1

    def __enter__(self) -> "Recording":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._truth.parent.mkdir(parents=True, exist_ok=True)
        self._truth.write_text("".join(self._rows), encoding="utf-8")
        self.source.close()

    def write(self) -> int | None:
        """Write the next frame; return how many people are on the watched floor, or None at the end."""
        shot = self.source.read_with_truth()
        if shot is None:
            return None
        picture = av.VideoFrame.from_ndarray(shot.rendering.pixels, format="bgr24")
        picture.pts, picture.time_base = shot.frame.index, 1 / self._rate
        self._container.mux(self._stream.encode(picture))
        self.complete &= shot.frame.index == self._frames
        self._frames += 1
        placed = self.complete and shot.live
        self._rows += truth_rows(self._frames, shot.rendering, shot.people, placed=placed)
        return len(shot.people)


class InImage(Protocol):
    """Everybody in one image, painted or not: arrays as of `camera.Rendering`."""

    @property
    def ids(self) -> IntArray:
        """(N,) int64."""
        ...

    @property
    def xyxy(self) -> NDArray[np.float32]:
        """(N, 4) pixels."""
        ...

    @property
    def visibility(self) -> FloatArray:
        """(N,) share that is seen."""
        ...

    @property
    def floor(self) -> FloatArray:
        """(N, 2) metres."""
        ...


def truth_rows(frame: int, seen: InImage, people: People, *, placed: bool) -> list[str]:
    """Return the lines of truth of one frame.

    Args:
        frame: its number, from 1.
        seen: who is in the image.
        people: everybody on the watched floor.
        placed: whether the places on the floor belong to the frame's time stamp.
    """
    watched: BoolArray = np.isin(seen.ids, people.ids)
    rows = []
    for k in range(len(seen.ids)):
        left, top, right, bottom = seen.xyxy[k].tolist()
        counts = int(watched[k] and seen.visibility[k] >= LEAST_VISIBLE)
        x, y, z = (*seen.floor[k].tolist(), 0.0) if placed else UNKNOWN
        box = f"{left:.6g},{top:.6g},{right - left:.6g},{bottom - top:.6g}"
        share = math.floor(1000.0 * seen.visibility[k]) / 1000.0
        rows.append(f"{frame},{seen.ids[k]},{box},{counts},{x:.4f},{y:.4f},{z:g},{share:g}\n")
    return rows
