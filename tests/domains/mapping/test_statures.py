from collections.abc import Iterator

import numpy as np
import pytest
from world import SIZE, camera

from app.domains.mapping.fusion import FloorFusion, FusionConfig
from app.domains.mapping.view import CameraView
from app.domains.vocabulary import CameraId, FloatArray, FloorTargets, Tracks, TrackState

VIEW: CameraView = camera("door", (0.0, 0.0, 2.8), (0.0, 7.0)).view()
RATE = 5.0


def box_of(place: FloatArray, height_m: float) -> FloatArray:
    """Return the box (1, 4) of somebody, cut at the image's border."""
    box = VIEW.boxes(place[None], height_m)[0]
    return np.clip(box, 0.0, [*SIZE, *SIZE]).astype(np.float32)


def tracks(time: float, box: FloatArray, track: int) -> Tracks:
    return Tracks(
        camera_id=CameraId("door"),
        captured_at=time,
        track_id=np.array([track]),
        state=np.array([int(TrackState.CONFIRMED)]),
        row=np.arange(1),
        xyxy=box,
        confidence=np.full(1, 0.9, np.float32),
        appearance=np.zeros((1, 0), np.float32),
        certainty=np.ones(1),
    )


def come_near(
    height_m: float, far_m: float, sigma: float = 0.0
) -> Iterator[tuple[FloatArray, FloatArray, FloorTargets]]:
    """Let somebody walk up to the camera; gives the true place, the box, and the targets at each instant."""
    fusion, random = FloorFusion({VIEW.camera_id: VIEW}, FusionConfig()), np.random.default_rng(3)
    for i, away_m in enumerate(np.arange(far_m, 2.1, -1.0 / RATE)):
        place = np.array([0.2, away_m])
        box = box_of(place, height_m)
        size = box[0, 3] - box[0, 1]
        box[0, 1] += sigma * size * random.standard_normal()
        if box[0, 3] < SIZE[1] - 1.0:
            box[0, 3] += sigma * size * random.standard_normal()
        seen = [tracks(i / RATE, box, 1)]
        floor = fusion.project(seen)
        targets, _ = fusion.update(i / RATE, seen, floor, np.zeros((1, len(fusion.target_id))))
        yield place, box, targets


@pytest.mark.parametrize("sigma", [0.0, 0.03], ids=["exact boxes", "noisy boxes"])
@pytest.mark.parametrize("height_m", [1.55, 1.93])
def test_who_was_seen_from_head_to_foot_is_placed_by_the_head_alone(height_m, sigma):
    *_, (place, box, targets) = come_near(height_m, 10.0, sigma)
    assert box[0, 3] == SIZE[1], "cut by the image's lower edge"
    by_usual = VIEW.project(box).xy[0]
    assert np.linalg.norm(by_usual - place) > 0.25
    assert np.linalg.norm(targets.xy[0] - place) < 0.6 * np.linalg.norm(by_usual - place)


def test_who_was_never_seen_from_head_to_foot_is_taken_to_be_of_usual_height():
    *_, (_, box, targets) = come_near(1.93, 2.5)
    assert targets.xy[0] == pytest.approx(VIEW.project(box).xy[0], abs=0.25)


def test_somebody_of_usual_height_stays_so():
    errors = [np.linalg.norm(targets.xy[0] - place) for place, _, targets in come_near(1.75, 10.0)]
    assert max(errors) < 0.25


def test_the_height_of_one_who_has_left_is_nobody_elses():
    """A target that takes the row of another one in the table begins with the usual height."""
    fusion = FloorFusion({VIEW.camera_id: VIEW}, FusionConfig())
    far, near = np.array([0.2, 6.0]), np.array([0.2, 2.4])
    for i in range(20):
        seen = [tracks(i / RATE, box_of(far, 1.93), 1)]
        fusion.update(i / RATE, seen, fusion.project(seen), np.zeros((1, len(fusion.target_id))))
    assert len(fusion) == 1
    later = 20 / RATE + FusionConfig().lost_s + 1.0
    fusion.update(later, [], [], np.zeros((0, 1)))
    assert len(fusion) == 0
    seen = [tracks(later + 1.0, box_of(near, 1.93), 2)]
    targets, _ = fusion.update(later + 1.0, seen, fusion.project(seen), np.zeros((1, 0)))
    assert targets.xy[0] == pytest.approx(VIEW.project(seen[0].xyxy).xy[0], abs=1e-6)
