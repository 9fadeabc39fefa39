"""THE FRAME PATH: one synchronous step from the frames of one instant to one dot per person.

Start here to find any behaviour. No I/O, no clock, no logging: time comes with the frames, pixels stay in the adapters.

    detect -> take appearance where it is due -> track in each camera -> project to the floor
           -> associate on the floor (geometry, helped by appearance) -> give identities -> one dot a person
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import compress, pairwise

import numpy as np

from app.domains.detection.ports import Detector
from app.domains.detection.tracker import CameraTrackers
from app.domains.mapping.fusion import FloorFusion
from app.domains.mapping.view import CameraView
from app.domains.reid.identity import IdentityResolver
from app.domains.reid.ports import Embedder
from app.domains.vocabulary import (
    NO_CALIBRATION,
    NO_ID,
    BoolArray,
    CameraId,
    Correction,
    Crops,
    Detections,
    FloorPoints,
    FloorTargets,
    FloorTracks,
    FrameBatch,
    GlobalId,
    IntArray,
    NamedTargets,
    Sightings,
    TrackingUpdate,
    Tracks,
    VectorArray,
)

STAGES = ("detect", "choose", "embed", "track", "project", "associate", "identify")
Bounds = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max in metres
NOBODY = FloorTracks(
    np.empty(0, np.int64), np.empty((0, 2)), np.empty((0, 2)), np.empty((0, 2, 2)), (), np.empty(0)
)  # on the floor


def _untimed(_stage: str) -> AbstractContextManager[None]:
    return nullcontext()


class Pipeline:
    """The state of one site, and how one batch of frames changes it.

    Args:
        detector: finds people in all frames of a batch.
        embedder: takes the appearance of crops; None works by geometry alone.
        trackers: of all cameras.
        views: one per camera; those without calibration have no floor.
        fusion: over exactly the calibrated views.
        identities: of the whole site.
        bounds: the watched floor; people outside it are followed, but
            get no dot, and no identity before they have been inside. None watches all.
        timed: called with a stage's name, gives a context that may take the time of that stage.
    """

    def __init__(  # noqa: PLR0913 - the parts of the frame path, each by name
        self,
        *,
        detector: Detector,
        embedder: Embedder | None,
        trackers: CameraTrackers,
        views: Mapping[CameraId, CameraView],
        fusion: FloorFusion,
        identities: IdentityResolver,
        bounds: Bounds | None = None,
        timed: Callable[[str], AbstractContextManager[None]] = _untimed,
    ) -> None:
        self.detector = detector
        self.embedder = embedder
        self.trackers = trackers
        self.views = views
        self.fusion = fusion
        self.identities = identities
        self.bounds = bounds
        self._timed = timed

    def step(self, batch: FrameBatch) -> TrackingUpdate:
        """Advance the world by one batch; batches come in order of time, and the same ones give the same updates."""
        with self._timed("detect"):
            detections = self.detector.detect(batch)
        with self._timed("choose"):
            crops = self._due(detections)
        with self._timed("embed"):
            appearance = self._take_appearance(batch, detections, crops)
        with self._timed("track"):
            tracks = self.trackers.update(detections, appearance)
        with self._timed("project"):
            floor = self._project(tracks)
        with self._timed("associate"):
            targets, target_of = self._associate(batch, tracks, floor)
        with self._timed("identify"):
            watched = self._watched(targets)
            found = self.identities.resolve(batch.captured_at, tracks, target_of, targets, watched)
        rows = zip(tracks, found.of_row, floor, found.row_certainty, strict=True)
        shown = (found.of_target != NO_ID) & watched & self.fusion.shown(targets)
        named = NamedTargets(targets, found.of_target, watched, shown, found.target_certainty)
        return TrackingUpdate(
            captured_at=batch.captured_at,
            sightings=tuple(Sightings(*row) for row in rows),
            floor=dots(named, self.fusion.camera_ids),
            corrections=found.corrections,
            named=named,
        )

    def correct(self, ordered: Correction) -> Correction | None:
        """Follow an operator's correction between two steps; the next update has it among its corrections.

        Returns:
            The correction as it leaves; None where it concerns nobody who is followed now, but the history alone.

        Raises:
            ValueError: it cannot be, such as merging two people who are both in sight.
        """
        return self.identities.correct(ordered)

    def take_back(self, undone: Correction) -> Correction | None:
        """Let the floor be, from the next step on, as if a correction that has left had never been followed.

        Returns:
            The correction of what was reported meanwhile, which leaves with the next update; None where there is none.
        """
        return self.identities.take_back(undone)

    def last_words(self) -> TrackingUpdate | None:
        """Return an update without frames and dots, with the corrections that wait for a step; None without any.

        For the end of the frame path: nothing that was followed may be lost with it.
        """
        captured_at, corrections = self.identities.waiting()
        return TrackingUpdate(captured_at, (), NOBODY, corrections) if corrections else None

    def resembling(self, vector: VectorArray, most: int) -> list[tuple[GlobalId, float]]:
        """Return between two steps who of those remembered looks most like a vector (D,) of the embedder's space."""
        return self.identities.resembling(vector, most)

    def _due(self, detections: Sequence[Detections]) -> Crops:
        """Choose the boxes whose appearance is worth the time; none without an embedder."""
        if self.embedder is None or not detections:
            return Crops(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4), np.float32))
        due = np.flatnonzero(np.concatenate(self.trackers.due_for_embedding(detections)))
        begin = np.cumsum([0, *(len(d) for d in detections)])
        frame = np.searchsorted(begin, due, side="right") - 1
        return Crops(frame, due - begin[frame], np.concatenate([d.xyxy for d in detections])[due])

    def _take_appearance(self, batch: FrameBatch, detections: Sequence[Detections], crops: Crops) -> list[VectorArray]:
        """Embed the crops in one call; returns (N, D) per frame, zeros where none was taken."""
        if self.embedder is None:
            return [np.zeros((len(d), 0), dtype=np.float32) for d in detections]
        vectors = self.embedder.embed(batch, crops).vectors
        ends = np.cumsum([0, *(len(d) for d in detections)])
        appearance = np.zeros((ends[-1], vectors.shape[1]), dtype=np.float32)
        appearance[ends[crops.frame] + crops.row] = vectors
        return [appearance[begin:end] for begin, end in pairwise(ends.tolist())]

    def _project(self, tracks: Sequence[Tracks]) -> list[FloorPoints]:
        """Find where the boxes of all cameras stand; nowhere, where a camera is not calibrated."""
        mapped = iter(self.fusion.project([t for t in tracks if self._calibrated(t)]))
        return [next(mapped) if self._calibrated(t) else self.views[t.camera_id].project(t.xyxy) for t in tracks]

    def _calibrated(self, tracks: Tracks) -> bool:
        return self.views[tracks.camera_id].model is not None

    def _associate(
        self, batch: FrameBatch, tracks: Sequence[Tracks], floor: Sequence[FloorPoints]
    ) -> tuple[FloorTargets, list[IntArray]]:
        """Let the calibrated cameras' floor points find their targets; boxes without floor point have none."""
        calibrated = [i for i, t in enumerate(tracks) if self._calibrated(t)]
        mapped = [tracks[i] for i in calibrated]
        affinity = self.identities.affinity(mapped, self.fusion.target_id)
        targets, found = self.fusion.update(batch.captured_at, mapped, [floor[i] for i in calibrated], affinity)
        target_of = [np.full(len(t), NO_CALIBRATION, dtype=np.int64) for t in tracks]
        for i, target in zip(calibrated, found, strict=True):
            target_of[i] = target
        return targets, target_of

    def _watched(self, targets: FloorTargets) -> BoolArray:
        """Say which targets stand inside the watched floor, (M,)."""
        if self.bounds is None:
            return np.ones(len(targets), dtype=np.bool_)
        x_min, y_min, x_max, y_max = self.bounds
        x, y = targets.xy.T
        return np.asarray((x >= x_min) & (x <= x_max) & (y >= y_min) & (y <= y_max))


def dots(named: NamedTargets, cameras: tuple[CameraId, ...]) -> FloorTracks:
    """Make the dots of the targets that are shown; `cameras` are the columns of their support."""
    targets, shown = named.targets, named.shown
    order = np.flatnonzero(shown)[np.argsort(named.global_id[shown], kind="stable")]
    return FloorTracks(
        global_id=named.global_id[order],
        xy=targets.xy[order],
        velocity=targets.velocity[order],
        covariance=targets.covariance[order, :2, :2],
        cameras=tuple(tuple(compress(cameras, row)) for row in targets.support[order].tolist()),
        certainty=named.certainty[order],
    )
