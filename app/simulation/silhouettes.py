"""What a simulated camera sees of people, without pixels: the same bodies and the same depth, nothing painted.

Boxes follow from the body's own corners, as exact as the picture's. How much of somebody is hidden is counted on a grid
that is coarser than the picture. Knows nothing of how people walk or are detected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import BoolArray, FloatArray, IntArray
from app.simulation.backdrop import cast_solids
from app.simulation.camera import may_be_seen, pose_person
from app.simulation.figure import Figure
from app.simulation.floor_plan import Scene
from app.simulation.lens import Calibration
from app.simulation.people import People
from app.simulation.rasteriser import SEGMENTS, Optics, Samples, frame_figures, outline, skin

CELLS_ACROSS = 240  # of the grid; somebody 60 pixels tall in a picture of 640 has about 120 cells
EVERY = 2  # of a ring's corners is taken: bodies are narrower by at most a centimetre
SAME_CELLS = 1.5  # edges that differ by less are the same


@dataclass(frozen=True, slots=True, eq=False)
class Silhouettes:
    """Everybody who is inside the image of one camera, as parallel arrays of length N.

    Attributes:
        ids: (N,) int64.
        xyxy: (N, 4) float32 pixels, tight around the figure as if nothing stood before it, clipped to the image.
        visibility: (N,) share of the figure that is inside the image and hidden by nothing.
        visible_xyxy: (N, 4) pixels, tight around that share; no area where it is 0.
        inside: (N,) share of the whole figure's box that is inside the image.
        floor: (N, 2) metres, site frame.
        facing: (N,) radians between where the person looks and where the camera is: 0 shows the face.
    """

    ids: IntArray
    xyxy: NDArray[np.float32]
    visibility: FloatArray
    visible_xyxy: FloatArray
    inside: FloatArray
    floor: FloatArray
    facing: FloatArray


class PosedCrowd:
    """The bodies of everybody at one instant, each posed when a camera first asks for it.

    Attributes:
        people: who is where.

    Args:
        people: who is where.
        figures: how each person looks, by id.
    """

    def __init__(self, people: People, figures: Mapping[int, Figure]) -> None:
        self.people = people
        self._figures = figures
        self._posed: dict[int, FloatArray] = {}

    def figure(self, i: int) -> Figure:
        """Return the body at rest of the person in row `i`."""
        return self._figures[int(self.people.ids[i])]

    def vertices(self, i: int) -> FloatArray:
        """Return the (R, SEGMENTS / EVERY, 6) posed vertices of the person in row `i`."""
        if i not in self._posed:
            figure = self.figure(i)
            vertices = np.empty((len(figure.rings), SEGMENTS, 6))
            skin(pose_person(self.people, i, figure.height_m), figure.weights, figure.rings, figure.tube, vertices)
            self._posed[i] = vertices[:, ::EVERY].copy()
        return self._posed[i]


@dataclass(frozen=True, slots=True, eq=False)
class _Frames:
    """Figures in cells of the grid, as parallel arrays of length N.

    Attributes:
        whole_edges: (N, 4) of the figure, also where it is outside the image.
        edges: (N, 4) of what is inside the image.
        visibility: (N,) share that is seen; NaN where nothing is inside the image.
        visible_edges: (N, 4) of what is seen.
    """

    whole_edges: FloatArray
    edges: FloatArray
    visibility: FloatArray
    visible_edges: FloatArray


class SilhouetteCamera:
    """One camera of a scene that sees who is there and paints nothing.

    Args:
        scene: what stands still.
        calibration: where the camera hangs, and its lens.
    """

    def __init__(self, scene: Scene, calibration: Calibration) -> None:
        self._calibration = calibration
        self._scale = CELLS_ACROSS / calibration.size[0]
        focal, centre = np.diag(calibration.matrix)[:2], calibration.matrix[:2, 2]
        lens = np.concatenate([self._scale * focal, self._scale * centre, calibration.distortion])
        self._optics = Optics(np.ascontiguousarray(calibration.pose), lens)
        self._position = -calibration.rotation.T @ calibration.tvec
        self._still = cast_solids(scene, calibration.model(), calibration.pose, self._scale)
        self._samples = Samples(
            self._still.copy(), np.zeros(self._still.shape, np.int16), np.zeros((*self._still.shape, 3), np.uint8)
        )

    def see(self, crowd: PosedCrowd) -> Silhouettes:
        """Tell who is in the image, where, and how much of each is seen."""
        rows = np.flatnonzero(may_be_seen(self._calibration, crowd.people.xy))
        frames = self._frames(crowd, rows.tolist())
        inside = np.isfinite(frames.visibility)
        people = crowd.people[rows[inside]]
        limit = np.tile(np.array(self._calibration.size, float), 2)
        xyxy = np.clip(frames.edges[inside] / self._scale, 0.0, limit)
        towards = self._position[:2] - people.xy
        facing = np.arctan2(towards[:, 1], towards[:, 0]) - people.heading
        return Silhouettes(
            ids=people.ids,
            xyxy=xyxy.astype(np.float32),
            visibility=frames.visibility[inside],
            visible_xyxy=np.clip(frames.visible_edges[inside] / self._scale, 0.0, limit),
            inside=_area(xyxy) / np.maximum(_area(frames.whole_edges[inside] / self._scale), 1.0),
            floor=people.xy,
            facing=(facing + np.pi) % (2.0 * np.pi) - np.pi,
        )

    def _frames(self, crowd: PosedCrowd, rows: Sequence[int]) -> _Frames:
        """Find what is seen of the figures in `rows` of the crowd."""
        if not rows:
            return _Frames(np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4)))
        bodies, tubes = [crowd.vertices(i) for i in rows], [crowd.figure(i).tube for i in rows]
        starts = np.concatenate([[0], np.cumsum([len(body) for body in bodies])])
        corners = np.empty((starts[-1], *bodies[0].shape[1:]))
        frames = frame_figures(np.concatenate(bodies), starts, self._optics, corners)
        whole = frames[:, :4]
        edges, visible_edges = whole.copy(), whole.copy()
        visibility = np.where(np.isfinite(whole[:, 0]), 1.0, np.nan)
        counted = np.flatnonzero(self._entangled(frames))
        if len(counted):
            self._samples.depth[:] = self._still
            self._samples.number[:] = 0
            seen = outline(corners, np.concatenate(tubes), starts, counted, self._samples)
            with np.errstate(invalid="ignore"):  # 0 of 0 samples: outside the image
                visibility[counted] = seen[:, 5] / seen[:, 4]
            edges[counted] = _refined(seen[:, :4], whole[counted])
            visible_edges[counted] = np.where(seen[:, 5:6] > 0.0, _refined(seen[:, 6:], whole[counted]), 0.0)
        return _Frames(whole, edges, visibility, visible_edges)

    def _entangled(self, frames: FloatArray) -> BoolArray:
        """Tell which figures must be counted sample by sample: (N,); nothing hides the others or is hidden by them.

        Args:
            frames: (N, 6) from `frame_figures`.
        """
        height, width = self._still.shape
        left, top, right, bottom, far, near = frames.T
        hidden = ~((left >= 0.0) & (top >= 0.0) & (right <= width) & (bottom <= height))
        for i in np.flatnonzero(~hidden).tolist():
            window = self._still[int(top[i]) : int(bottom[i]) + 1, int(left[i]) : int(right[i]) + 1]
            hidden[i] = window.size > 0 and window.max() > far[i]
        apart_x = (right[:, None] < left) | (right < left[:, None])
        apart_y = (bottom[:, None] < top) | (bottom < top[:, None])
        meets = ~(apart_x | apart_y)
        np.fill_diagonal(meets, val=False)
        hidden |= (meets & (near > far[:, None])).any(axis=1)
        result: BoolArray = (hidden | (meets & hidden[:, None]).any(axis=0)) & np.isfinite(left)
        return result


def _refined(cells: FloatArray, edges: FloatArray) -> FloatArray:
    """Return (N, 4) edges that were counted in whole cells, exactly where they are the figure's own edges."""
    result: FloatArray = np.where(np.abs(cells - edges) <= SAME_CELLS, edges, cells)
    return result


def _area(xyxy: FloatArray) -> FloatArray:
    area: FloatArray = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
    return area
