import json

import numpy as np
import pytest

from app.domains.mapping.camera_model import CameraModel
from app.domains.mapping.disagreement import (
    GroupedPoints,
    check_model,
    cross_camera_disagreement,
    group_by_identity,
    point_pair_errors,
)
from app.domains.mapping.view import CameraView, ViewConfig
from app.domains.vocabulary import (
    NO_ID,
    CameraId,
    FloorPoints,
    Sightings,
    Tracks,
)
from app.infrastructure.calibration_files import read_opencv_extrinsics, read_opencv_intrinsics

SIZE = (1000, 800)
WILDTRACK = ["CVLab1", "CVLab2", "CVLab3", "CVLab4", "IDIAP1", "IDIAP2", "IDIAP3"]
# one centimetre a pixel, seen from above; y up, so the floor is right-handed
OVERHEAD = np.array([[0.01, 0.0, -5.0], [0.0, -0.01, 4.0], [0.0, 0.0, 1.0]])


def overhead(matrix: np.ndarray = OVERHEAD) -> CameraModel:
    return CameraModel.from_homography(matrix, SIZE)


def grouped(rows: list[tuple[int, int, float, float]]) -> GroupedPoints:
    table = np.array(rows, dtype=float).reshape(-1, 4)
    return GroupedPoints(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])


def test_point_pairs_off_by_known_amounts():
    image = np.array([[100.0, 100.0], [500.0, 400.0]])
    errors = point_pair_errors(overhead(), image, np.array([[-4.0, 3.0], [0.03, 0.04]]))
    assert errors.metres == pytest.approx([0.0, 0.05])
    assert errors.pixels == pytest.approx([0.0, 5.0])
    assert errors.rms_m == pytest.approx(0.05 / np.sqrt(2.0))
    assert errors.rms_px == pytest.approx(5.0 / np.sqrt(2.0))


@pytest.mark.parametrize("mirrored", [False, True], ids=["right-handed floor", "left-handed floor"])
def test_overhead_camera_checks_itself(mirrored):
    check = check_model(overhead(np.diag([1.0, -1.0 if mirrored else 1.0, 1.0]) @ OVERHEAD))
    assert check.floor_share == 1.0
    assert check.refused_share == 0.0
    assert check.round_trip_px < 1e-6
    assert check.bottom_is_floor
    assert check.mirrored == mirrored
    assert check.sideways_m_per_px == pytest.approx(0.01)
    assert check.depth_m_per_px == pytest.approx(0.01)
    assert np.isnan(check.height_m)


def test_a_level_camera_sees_floor_in_the_lower_half_and_has_no_scale_in_the_sky():
    intrinsics = np.array([[800.0, 0.0, 500.0], [0.0, 800.0, 400.0], [0.0, 0.0, 1.0]])
    model = CameraModel.from_opencv(
        SIZE, intrinsics, np.empty(0), np.array([np.pi / 2.0, 0.0, 0.0]), np.array([0.0, 3.0, 0.0])
    )
    check = check_model(model)
    assert check.floor_share == 0.5
    assert check.height_m == pytest.approx(3.0)
    assert np.isnan(check.sideways_m_per_px)
    assert not check.mirrored


def test_disagreement_of_a_camera_that_is_shifted():
    models = [overhead(), overhead(), overhead(OVERHEAD / 2.0), None]
    rows = []
    for person, (x, y) in enumerate([(0.0, 0.0), (1.0, -2.0), (-3.0, 2.0)]):
        rows += [(0, person, x, y), (1, person, x + 0.3, y), (2, person, x, y)]
    first, second, third, fourth = cross_camera_disagreement(models, grouped(rows))
    assert (first.count, second.count, third.count, fourth.count) == (3, 3, 3, 0)
    assert (first.median_m, second.median_m, third.median_m) == pytest.approx((0.15, 0.3, 0.15))
    assert second.shift_m == pytest.approx((0.3, 0.0))
    assert second.p90_m == pytest.approx(0.3)
    assert second.median_px == pytest.approx(30.0)
    assert np.isnan(fourth.median_m)


def test_a_person_seen_by_one_camera_only_tells_nothing():
    (result,) = cross_camera_disagreement([overhead()], grouped([(0, 7, 0.0, 0.0), (0, 7, 1.0, 0.0), (0, 8, 1.0, 1.0)]))
    assert result.count == 0
    assert np.isnan(result.median_px)


def test_no_points_give_no_numbers():
    assert [result.count for result in cross_camera_disagreement([overhead(), None], grouped([]))] == [0, 0]


def sightings(camera: str, ids: list[int], valid: list[bool]) -> Sightings:
    n = len(ids)
    number = np.arange(n, dtype=np.int64)
    tracks = Tracks(
        camera_id=CameraId(camera),
        captured_at=0.0,
        track_id=number,
        state=number,
        row=number,
        xyxy=np.zeros((n, 4), np.float32),
        confidence=np.ones(n, np.float32),
        appearance=np.zeros((n, 0), np.float32),
        certainty=np.ones(n),
    )
    floor = FloorPoints(
        CameraId(camera), np.stack([number, number], axis=1) * 1.0, np.zeros((n, 2, 2)), np.array(valid, dtype=bool)
    )
    return Sightings(tracks, np.array(ids, dtype=np.int64), floor, np.ones(len(ids)))


def test_groups_are_one_identity_at_one_instant():
    instants = [
        [sightings("a", [4, 9, NO_ID], [True] * 3), sightings("b", [9, 4], [True, False])],
        [sightings("a", [], []), sightings("b", [9], [True])],
    ]
    points = group_by_identity(instants, [CameraId("b"), CameraId("a")])
    assert points.camera.tolist() == [1, 1, 0, 0]
    assert points.group.tolist() == [0, 1, 1, 2]
    assert points.xy[:, 0].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert len(group_by_identity([], []).camera) == 0


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "intrinsic", "names", "unit", "median_m"),
    [
        ("wildtrack", "intrinsic_zero", WILDTRACK, 0.01, 0.10),
        ("multiviewx_mini", "intrinsic", [f"Camera{i}" for i in range(1, 7)], 1.0, 0.07),
    ],
    ids=["WILDTRACK", "MultiviewX"],
)
def test_real_cameras_agree_on_annotated_people(data_dir, folder, intrinsic, names, unit, median_m):
    calibrations = data_dir / folder / "calibrations"
    views = []
    for name in names:
        inner = read_opencv_intrinsics(calibrations / intrinsic / f"intr_{name}.xml")
        outer = read_opencv_extrinsics(calibrations / "extrinsic" / f"extr_{name}.xml")
        model = CameraModel.from_opencv(
            (1920, 1080), inner.camera_matrix, inner.distortion, outer.rvec, outer.tvec * unit
        )
        views.append(CameraView(CameraId(name), (1920, 1080), model, ViewConfig(height_sigma_m=0.0)))
    camera, group, xy = [], [], []
    for instant, path in enumerate(sorted((data_dir / folder / "annotations_positions").glob("*.json"))[:10]):
        for person in json.loads(path.read_text()):
            boxes = np.array([[v[k] for k in ("xmin", "ymin", "xmax", "ymax")] for v in person["views"]], np.float32)
            for index in np.flatnonzero(boxes.max(axis=1) > 0):
                floor = views[index].project(boxes[index : index + 1])
                if floor.valid[0]:
                    camera.append(index)
                    group.append(instant * 10_000 + person["personID"])
                    xy.append(floor.xy[0])
    points = GroupedPoints(np.array(camera), np.array(group), np.array(xy))
    results = cross_camera_disagreement([view.model for view in views], points)
    assert all(result.count > 30 for result in results)
    assert np.median([result.median_m for result in results]) < median_m
    assert max(result.median_m for result in results) < 0.25
    assert max(np.abs(result.shift_m).max() for result in results) < 0.2
