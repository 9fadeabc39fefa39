"""Tracks people inside each camera. Knows nothing of what other cameras see or of the floor, and of looks only cosines.

Two-stage association (ByteTrack, Zhang et al. 2022): confident boxes first, then doubtful boxes for the tracks that
are left. The cost is the Mahalanobis distance of box centre and size, so that one setting serves 30 frames a second
and 2; appearance is added where it was taken. All limits are seconds.

The cameras never influence each other; their tracks stand in one table because one compiled call for all of them costs
hardly more than one for each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, NamedTuple, cast

import numpy as np

from app.domains.detection.motion import MotionConfig
from app.domains.detection.room import (
    APPEARANCE_AT,
    BEGIN,
    CAMERA_OF,
    CAPTURED_AT,
    COUNTS,
    END,
    LAST_AT,
    Limits,
    Room,
    enlarged,
    room_for,
)
from app.domains.detection.step import (
    REFUSED,
    Columns,
    RoomArrays,
    Seen,
    compare,
    due,
    follow,
    look_ahead,
    settle,
)
from app.domains.vocabulary import BoolArray, CameraId, Detections, FloatArray, Tracks, VectorArray

SHEET_ROWS = 4096  # results kept together: 200 kB, a step of 32 cameras x 50 people fills less than half of it
Evidence = Callable[[FloatArray], FloatArray]


def no_evidence(cosine: FloatArray) -> FloatArray:
    """Give no cosine any weight."""
    return np.zeros_like(cosine)


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """Thresholds of the single-camera tracker."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    high_score: float | None = None  # boxes at or above it are associated first;
    # None: the detector's own, measured where its weights were; 0.5, ByteTrack's, for recorded boxes
    new_margin: float = 0.1  # a box needs so much more to start a track; ByteTrack: 0.1
    gate: float = 25.0  # squared Mahalanobis distance; all but 5e-5 of a chi-square with 4 degrees of freedom
    accept: float = 14.0  # distance plus log-spread from which on a new track explains a box better than an old one
    low_score_gate: float = 12.0  # the gate for doubtful boxes; 98 %
    strength_s: float = 1.0  # time over which a track's score is averaged
    weak_share: float = 0.9  # of high_score; a track whose average is below it gets no doubtful boxes any more
    duplicate_iou: float = 0.7  # a leftover box that covers a tracked one so much starts no track
    confirm_s: float = 0.1  # a track needs this age, and two boxes, to be confirmed
    tentative_lost_s: float = 0.6  # an unconfirmed track without box for longer is dropped; one frame at 2 fps
    max_lost_s: float = 2.0  # a confirmed track without box for longer is dropped
    appearance_weight: float = 2.0  # squared distance that a log-likelihood ratio of 1 is worth; 2 by definition
    max_appearance: float = 12.0  # at most, either way: a look may be deceptive, and a place may not
    close_call: float = 9.0  # cost up to which a track may have a box; a match with a rival below it is worth a look
    max_mixed: float = 0.4  # a crop of which others hide a larger share shows them too; no look is taken
    appearance_max_age_s: float = 2.0  # a track's appearance is renewed when it is older
    appearance_blend: float = 0.8  # share of the old appearance kept at a renewal; DeepSORT keeps 0.9
    motion: MotionConfig = field(default_factory=MotionConfig)

    def limits(self) -> Limits:
        """Return what compiled code asks for."""
        high_score = 0.5 if self.high_score is None else self.high_score
        return Limits(
            noise=self.motion.noise(),
            high_score=high_score,
            start_score=high_score + self.new_margin,
            steady_score=self.weak_share * high_score,
            gate=self.gate,
            low_score_gate=self.low_score_gate,
            reach=max(self.gate, self.low_score_gate, self.close_call),
            accept=self.accept,
            strength_s=self.strength_s,
            duplicate_iou=self.duplicate_iou,
            confirm_s=self.confirm_s,
            tentative_lost_s=self.tentative_lost_s,
            max_lost_s=self.max_lost_s,
            appearance_blend=self.appearance_blend,
            close_call=self.close_call,
            appearance_max_age_s=self.appearance_max_age_s,
            max_mixed=self.max_mixed,
        )


class _Sheet:
    """Room for the results of many steps, each of which takes the next rows: arrays cost more to make than to fill.

    Args:
        rows: of it.
    """

    def __init__(self, rows: int) -> None:
        self.rows, self.used = rows, 0
        ids, self.certainty, pixels = np.empty((3, rows), np.int64), np.empty(rows), np.empty(5 * rows, np.float32)
        self.columns: Columns = ids, self.certainty, pixels
        self.row, self.track_id, self.state = ids
        self.xyxy, self.confidence = pixels[: 4 * rows].reshape(rows, 4), pixels[4 * rows :]


class _Asked(NamedTuple):
    """What `due_for_embedding` was asked about, and what it found out, for the update that follows."""

    detections: tuple[Detections, ...]
    seen: Seen
    pairs: int

    def about(self, detections: Sequence[Detections]) -> bool:
        """Say whether these are the very frames."""
        return list(map(id, self.detections)) == list(map(id, detections))


class CameraTrackers:
    """One tracker for each camera of a site.

    Args:
        camera_ids: whose boxes come.
        config: thresholds.
        evidence: what cosines are worth: the log-likelihood ratio of "one person" to "two", same shape, 0 for NaN.
    """

    def __init__(self, camera_ids: Sequence[CameraId], config: TrackerConfig, evidence: Evidence = no_evidence) -> None:
        self.camera_ids = tuple(camera_ids)
        self.config = config
        self._evidence = evidence
        self._index = {camera_id: index for index, camera_id in enumerate(camera_ids)}
        self._appearance: VectorArray = np.empty((0, 0), np.float32)
        self._sheet = _Sheet(0)
        self._asked: _Asked | None = None
        self._keep_in(room_for(64, len(camera_ids), config.limits()))

    def __len__(self) -> int:
        return int(self._live[0])

    def _keep_in(self, room: Room) -> None:
        """Keep the tracks there from now on."""
        whole, real = room.whole, room.real
        self._room: RoomArrays = room[:]
        self._capacity = whole.shape[1]
        # views of memory take single numbers in half the time that arrays do
        self._live = whole[COUNTS, :1].data
        captured_at = cast("memoryview[float]", real[CAPTURED_AT].data)
        self._frames = whole[CAMERA_OF].data, captured_at, whole[BEGIN].data
        self._end, self._last_at = whole[END], real[LAST_AT]

    def due_for_embedding(self, detections: Sequence[Detections]) -> list[BoolArray]:
        """Say which detections of each frame need their appearance taken, (N,) bool each.

        A confident box is due when it may be somebody new, when another track or another box would fit too, or
        when the appearance of its track is old or missing; but never when the crop would show somebody else
        too, because a mixed look poisons what is remembered of both.
        """
        if not detections:
            return []
        seen = self._see(detections)
        pairs = self._look_ahead(detections, seen)
        self._asked = _Asked(tuple(detections), seen, pairs)
        found, ends = due(self._room, seen, pairs), self._frames[2][: len(detections) + 1].tolist()
        return [found[begin:end] for begin, end in pairwise(ends)]

    def update(self, detections: Sequence[Detections], appearance: Sequence[VectorArray]) -> list[Tracks]:
        """Advance each camera to its frame's time and associate the boxes.

        Args:
            detections: at most one frame a camera, captured no earlier than the camera's frame before.
            appearance: for each frame (N, D) unit vectors; rows of zeros where none was taken.

        Returns:
            For each frame the tracks that have a box in it, ordered by detection row.

        Raises:
            ValueError: time runs backwards, a camera is unknown or comes twice, or the rows do not fit.
        """
        if not detections:
            return []
        if len(appearance) != len(detections):
            raise ValueError(f"appearance of {len(appearance)} frames for {len(detections)}")
        dimension = appearance[0].shape[1]
        for frame, d in enumerate(detections):  # a strict zip takes 0.5 us to begin
            looks = appearance[frame]
            if len(looks) != len(d.xyxy) or looks.shape[1] != dimension:
                rows = "{} appearance rows of {} numbers".format(*looks.shape)
                raise ValueError(f"{rows} for {len(d)} detections of camera {d.camera_id}")
        asked, self._asked = self._asked, None
        if asked is not None and not asked.about(detections):
            asked = None
        seen = self._see(detections) if asked is None else asked.seen
        sheet = self._sheet
        if sheet.used + len(seen[1]) > sheet.rows:
            sheet = self._sheet = _Sheet(max(SHEET_ROWS, len(seen[1])))
        first = sheet.used
        if dimension:
            sheet.used = self._settle(detections, seen, np.concatenate(appearance), asked)
        else:
            while (end := follow(*self._room, *seen, *sheet.columns, first)) < 0:
                self._make_room_for_pairs(detections, end)
            sheet.used = end
        return self._snapshots(detections, appearance, first)

    def _settle(self, detections: Sequence[Detections], seen: Seen, looks: VectorArray, asked: _Asked | None) -> int:
        """Settle whose the boxes are with the help of looks; returns where the results end on the sheet."""
        if self._appearance.shape != (self._capacity, looks.shape[1]):
            self._make_room_for_looks(looks.shape[1])
        pairs = self._look_ahead(detections, seen) if asked is None else asked.pairs
        ratio = self._evidence(compare(self._room, pairs, self._appearance, looks))
        limit = self.config.max_appearance
        alike = np.minimum(np.maximum(self.config.appearance_weight * ratio, -limit), limit)
        sheet = self._sheet
        return settle(self._room, seen, pairs, alike, self._appearance, looks, sheet.columns, sheet.used)

    def _look_ahead(self, detections: Sequence[Detections], seen: Seen) -> int:
        """Return how many pairs are within reach."""
        while (pairs := look_ahead(self._room, seen)) < 0:
            self._make_room_for_pairs(detections, pairs)
        return pairs

    def _make_room_for_pairs(self, detections: Sequence[Detections], answer: int) -> None:
        """Do what compiled code asks for by an answer below 0, see look_ahead.

        Raises:
            ValueError: it refuses a frame.
        """
        if answer == REFUSED:
            raise self._refusal(detections)
        self._keep_in(enlarged(Room(*self._room), 0, -2 * answer))

    def _make_room_for_looks(self, dimension: int) -> None:
        """Keep looks of this length; what tracks looked like is forgotten where it changes."""
        old, self._appearance = self._appearance, np.zeros((self._capacity, dimension), np.float32)
        if old.shape[1] == dimension:
            self._appearance[: len(old)] = old
        else:
            self._room[1][APPEARANCE_AT] = -np.inf

    def _refusal(self, detections: Sequence[Detections]) -> ValueError:
        """Say which frame is refused, and why."""
        refused: set[CameraId] = set()
        for d in detections:
            if d.camera_id not in self._index or d.camera_id in refused:
                why = "in the step twice" if d.camera_id in refused else "unknown"
                return ValueError(f"camera {d.camera_id} is {why}")
            late = self._last_at[self._index[d.camera_id]] - d.captured_at
            if late > 0:
                return ValueError(f"camera {d.camera_id}: time runs backwards by {late:.3f} s")
            refused.add(d.camera_id)
        raise AssertionError("no frame is refused")

    def _see(self, detections: Sequence[Detections]) -> Seen:
        """Put the frames' boxes one behind the other, and make room for tracks of them all.

        Raises:
            ValueError: there are more frames than cameras.
        """
        if len(detections) > len(self.camera_ids):
            raise self._refusal(detections)
        cameras, captured_at, begin = self._frames
        index, boxes = self._index, 0
        for frame, d in enumerate(detections):
            boxes += len(d.xyxy)
            cameras[frame], captured_at[frame], begin[frame + 1] = index.get(d.camera_id, -1), d.captured_at, boxes
        if self._live[0] + boxes >= self._capacity:
            self._keep_in(enlarged(Room(*self._room), 2 * (len(self) + boxes), 0))
        d = detections[0]
        if len(detections) == 1 and d.xyxy.flags.carray and d.confidence.flags.carray:  # as compiled code knows them
            return 1, d.xyxy, d.confidence
        confidence = np.concatenate([d.confidence for d in detections])
        return len(detections), np.concatenate([d.xyxy for d in detections]), confidence

    def _snapshots(
        self, detections: Sequence[Detections], appearance: Sequence[VectorArray], first: int
    ) -> list[Tracks]:
        """Return each frame's tracks, which stand on the sheet from there on."""
        sheet, snapshots = self._sheet, []
        end = [sheet.used] if len(detections) == 1 else self._end[: len(detections)].tolist()
        for frame, d in enumerate(detections):
            mine, looks = slice(first, end[frame]), appearance[frame]
            row = sheet.row[mine]
            snapshots.append(
                Tracks(
                    d.camera_id,
                    d.captured_at,
                    sheet.track_id[mine],
                    sheet.state[mine],
                    row,
                    sheet.xyxy[mine],
                    sheet.confidence[mine],
                    looks[row] if looks.shape[1] else looks[: len(row)],
                    sheet.certainty[mine],
                )
            )
            first = end[frame]
        return snapshots
