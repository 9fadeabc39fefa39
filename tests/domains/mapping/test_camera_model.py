import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from app.domains.mapping.camera_model import CameraModel, TsaiParameters
from app.domains.mapping.lens import PERFECT, distort, opencv_lens, tsai_lens, undistort
from app.domains.mapping.sight import lean
from app.infrastructure.calibration_files import read_opencv_extrinsics, read_opencv_intrinsics, read_tsai

SIZE = (1920, 1080)
INTRINSICS = np.array([[1200.0, 0.0, 960.0], [0.0, 1200.0, 540.0], [0.0, 0.0, 1.0]])
BARREL = np.array([-0.43, 0.61, 0.008, 0.002, -0.69])  # about WILDTRACK's CVLab1
# the image-to-floor homography in the README of the PETS09 data, fitted from the same Tsai file
PETS_HOMOGRAPHY = np.array(
    [
        [0.04922853378286539, -0.5536434868747109, 80.16719143543102],
        [-0.12838996821424645, -0.3660600366913039, 109.66830964055052],
        [0.0008354923265827612, 0.017886323510288765, 1.0],
    ]
)
WILDTRACK = ["CVLab1", "CVLab2", "CVLab3", "CVLab4", "IDIAP1", "IDIAP2", "IDIAP3"]


def pose(height: float, down_deg: float, roll_deg: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return rvec and tvec of a camera above (0, 0) that looks along y."""
    down, roll = np.radians(down_deg), np.radians(roll_deg)
    level = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    tilt = np.array([[1, 0, 0], [0, np.cos(down), -np.sin(down)], [0, np.sin(down), np.cos(down)]])
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    rotation = turn @ tilt @ level
    return cv2.Rodrigues(rotation)[0].ravel(), -rotation @ np.array([0.0, 0.0, height])


def camera(distortion=(), height: float = 4.0, down_deg: float = 25.0, roll_deg: float = 0.0) -> CameraModel:
    return CameraModel.from_opencv(
        SIZE, INTRINSICS, np.array(distortion, dtype=float), *pose(height, down_deg, roll_deg)
    )


def image_grid(size: tuple[int, int] = SIZE, n: int = 12) -> np.ndarray:
    u, v = np.meshgrid(np.linspace(0.0, size[0], n), np.linspace(0.0, size[1], n))
    return np.stack([u.ravel(), v.ravel()], axis=1)


def dataset_camera(folder: Path, intrinsic: str, name: str, metres_per_unit: float) -> CameraModel:
    intrinsics = read_opencv_intrinsics(folder / "calibrations" / intrinsic / f"intr_{name}.xml")
    extrinsics = read_opencv_extrinsics(folder / "calibrations" / "extrinsic" / f"extr_{name}.xml")
    return CameraModel.from_opencv(
        SIZE, intrinsics.camera_matrix, intrinsics.distortion, extrinsics.rvec, extrinsics.tvec * metres_per_unit
    )


def truth(path: Path, columns: int, origin: tuple[float, float], view: int) -> tuple[np.ndarray, np.ndarray]:
    """Return whole boxes (N, 4) and floor positions (N, 2) of one view of an annotation file."""
    boxes, floor = [], []
    for person in json.loads(path.read_text()):
        box = [person["views"][view][key] for key in ("xmin", "ymin", "xmax", "ymax")]
        if box[0] > 0 and box[2] < 1919 and 0 < box[3] < 1078:
            boxes.append(box)
            cell = person["positionID"]
            floor.append((origin[0] + 0.025 * (cell % columns), origin[1] + 0.025 * (cell // columns)))
    return np.array(boxes, dtype=float), np.array(floor)


def pets_feet(path: Path) -> tuple[np.ndarray, ...]:
    """Return frame (N,), person (N,), foot points (N, 2) and box heights (N,) of PETS09's annotations."""
    rows = []
    for frame in ElementTree.parse(path).getroot():
        for person in frame.iter("object"):
            box = person.find("box")
            x, y, height = (float(box.get(key)) for key in ("xc", "yc", "h"))
            rows.append((int(frame.get("number")), int(person.get("id")), x, y + height / 2.0, height))
    table = np.array(rows)
    return table[:, 0], table[:, 1], table[:, 2:4], table[:, 4]


def test_the_optical_axis_meets_the_floor_where_trigonometry_says():
    xy = camera(height=4.0, down_deg=25.0).to_floor(np.array([[960.0, 540.0]]))
    assert xy[0] == pytest.approx((0.0, 4.0 / np.tan(np.radians(25.0))))


def test_position_and_head_of_a_full_model():
    model = camera(height=4.0, down_deg=0.0)
    assert model.position == pytest.approx((0.0, 0.0, 4.0))
    assert model.height_known
    # level camera: a head 1.5 m up, 10 m away is 2.5 m below the axis
    assert model.to_image(np.array([[1.0, 10.0]]), 1.5)[0] == pytest.approx((960.0 + 120.0, 540.0 + 300.0))


@pytest.mark.parametrize("distortion", [(), BARREL], ids=["no lens", "strong barrel lens"])
@pytest.mark.parametrize("roll_deg", [0.0, 20.0, 180.0], ids="rolled by {}".format)
def test_image_to_floor_to_image_returns(distortion, roll_deg):
    model = camera(distortion, roll_deg=roll_deg)
    pixels = image_grid()
    floor = model.to_floor(pixels)
    seen = np.isfinite(floor).all(axis=1)
    assert seen.sum() > 60
    returned = np.abs(model.to_image(floor[seen]) - pixels[seen]).max(axis=1)
    assert np.median(returned) < 0.001
    assert returned.max() < 1.0  # the guard's bound, reached only beside the fold


def test_projection_with_distortion_equals_opencv():
    rvec, tvec = pose(4.0, 25.0)
    floor = np.array([[0.0, 6.0], [2.0, 9.0], [-3.0, 12.0]])
    expected, _ = cv2.projectPoints(np.column_stack([floor, np.full(3, 1.7)]), rvec, tvec, INTRINSICS, BARREL)
    assert camera(BARREL).to_image(floor, 1.7) == pytest.approx(expected[:, 0], abs=1e-6)


def test_sky_is_no_floor_and_what_is_behind_has_no_pixel():
    model = camera(down_deg=10.0)
    horizon = 540.0 - 1200.0 * np.tan(np.radians(10.0))
    floor = model.to_floor(np.array([[300.0, horizon - 1.0], [300.0, horizon + 1.0]]))
    assert np.isfinite(floor).all(axis=1).tolist() == [False, True]
    assert np.isnan(model.to_image(np.array([[0.0, -5.0]]))).all()


def test_points_beyond_the_lens_fold_have_no_pixel():
    """The radial polynomial turns back at 0.825; without a guard a point far off the axis lands inside the image."""
    model = camera(BARREL, down_deg=25.0)
    beside = np.array([[30.0, 8.0]])
    unguarded, _ = cv2.projectPoints(np.array([[30.0, 8.0, 0.0]]), *pose(4.0, 25.0), INTRINSICS, BARREL[:4])
    assert np.isfinite(unguarded).all()
    assert np.isnan(model.to_image(beside)).all()
    assert opencv_lens(BARREL).max_radius == pytest.approx(0.82, abs=0.02)


@pytest.mark.parametrize("lens", [opencv_lens(BARREL), tsai_lens(-0.85)], ids=["opencv", "tsai"])
def test_pixels_that_no_light_can_reach_are_refused(lens):
    perfect = CameraModel.from_opencv(SIZE, INTRINSICS * (0.75, 0.75, 1.0), np.empty(0), *pose(4.0, 60.0))
    model = replace(perfect, lens=lens)
    pixels = np.array([[960.0, 700.0], [5.0, 1075.0]])  # 1.2 from the axis; the lenses reach 0.64 and 0.63
    assert np.isfinite(model.to_floor(pixels)).all(axis=1).tolist() == [True, False]


@pytest.mark.parametrize("kappa", [0.37, -0.56], ids=["pincushion", "barrel"])
def test_tsai_distortion_inverts_its_closed_form(kappa):
    lens = tsai_lens(kappa)
    angle = np.linspace(0.0, 6.0, 40)
    sensor = (np.linspace(0.0, 0.7, 40) * [np.cos(angle), np.sin(angle)]).T
    assert distort(lens, undistort(lens, sensor)) == pytest.approx(sensor, abs=1e-12)


@pytest.mark.parametrize("distortion", [(), BARREL], ids=["no lens", "strong barrel lens"])
def test_jacobian_equals_finite_differences(distortion):
    model = camera(distortion, down_deg=30.0, roll_deg=8.0)
    pixels = image_grid(n=9)[9:]
    xy, jacobian = model.to_floor_with_jacobian(pixels)
    columns = [
        (model.to_floor(pixels + offset) - model.to_floor(pixels - offset)) / 0.2 for offset in np.diag([0.1, 0.1])
    ]
    expected = np.stack(columns, axis=2)
    near_axis = np.linalg.norm((pixels - model.centre) / model.focal, axis=1) < 0.58  # the lens folds at 0.635
    seen = near_axis & np.isfinite(expected).all(axis=(1, 2)) & (xy[:, 1] < 25.0)
    assert seen.sum() > 35
    assert jacobian[seen] == pytest.approx(expected[seen], rel=0.01, abs=2e-5)


def test_upright_lines_lean_away_from_the_image_centre():
    model = camera(down_deg=25.0)
    feet = np.array([[200.0, 800.0], [960.0, 800.0], [1720.0, 800.0]])
    floor = model.to_floor(feet)
    shift = model.to_image(floor, 0.01) - model.to_image(floor)
    leans = [lean(model.sight(), *foot) for foot in feet.tolist()]
    assert leans == pytest.approx((-shift[:, 0] / shift[:, 1]).tolist(), abs=1e-3)
    assert leans[0] < -0.2
    assert leans[1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("roll_deg", [0.0, 15.0], ids="rolled by {}".format)
@pytest.mark.parametrize("mirrored", [False, True], ids=["right-handed floor", "left-handed floor"])
def test_homography_alone_recovers_focal_length_pose_and_heads(roll_deg, mirrored):
    full = camera(down_deg=20.0, roll_deg=roll_deg)
    flip = np.diag([1.0, -1.0 if mirrored else 1.0, 1.0])
    image_to_plane = np.linalg.inv(INTRINSICS)
    recovered = CameraModel.from_homography(-3.0 * flip @ full.plane_to_floor.matrix @ image_to_plane, SIZE)
    assert recovered.focal == pytest.approx((1200.0, 1200.0))
    assert recovered.position == pytest.approx((0.0, 0.0, 4.0), abs=1e-6)
    floor = np.array([[0.5, 6.0], [-3.0, 14.0]])
    assert recovered.to_image(floor @ flip[:2, :2], 1.7) == pytest.approx(full.to_image(floor, 1.7), abs=1e-6)


def test_homography_straight_down_leaves_heights_unknown():
    model = CameraModel.from_homography(np.array([[0.01, 0.0, -9.6], [0.0, -0.01, 5.4], [0.0, 0.0, 1.0]]), SIZE)
    assert not model.height_known
    assert model.to_floor(np.array([[960.0, 0.0]]))[0] == pytest.approx((0.0, 5.4))
    assert lean(model.sight(), 100.0, 900.0) == 0.0
    with pytest.raises(ValueError, match="heights above the floor are unknown"):
        model.to_image(np.array([[0.0, 0.0]]), 1.7)


@pytest.mark.parametrize("distortion", [(), BARREL], ids=["no lens", "strong barrel lens"])
def test_no_points_give_no_points(distortion):
    model, none = camera(distortion), np.empty((0, 2))
    assert model.to_floor(none).shape == (0, 2)
    assert model.to_image(none, 1.7).shape == (0, 2)
    assert [part.shape for part in model.to_floor_with_jacobian(none)] == [(0, 2), (0, 2, 2)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"intrinsics": np.eye(2)}, "K has shape"),
        ({"intrinsics": np.diag([-5.0, 5.0, 1.0])}, "focal lengths must be positive"),
        ({"intrinsics": np.array([[9.0, 3.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 1.0]])}, "K must be"),
        ({"distortion": np.zeros(3)}, "distortion has shape"),
        ({"tvec": np.array([0.0, np.nan, 1.0])}, "NaN"),
        ({"rvec": np.zeros((3, 1))}, "rvec has shape"),
        ({"rvec": np.array([0.1, 0.0, 0.0]), "tvec": np.zeros(3)}, "centre lies in the floor"),
        ({"size": (0, 1080)}, "image size must be positive"),
    ],
    ids=["2x2 K", "negative focal", "skew", "3 coefficients", "NaN", "column rvec", "camera in the floor", "no size"],
)
def test_unusable_calibration_is_refused(change, message):
    rvec, tvec = pose(4.0, 25.0)
    good = {"size": SIZE, "intrinsics": INTRINSICS, "distortion": BARREL, "rvec": rvec, "tvec": tvec}
    with pytest.raises(ValueError, match=message):
        CameraModel.from_opencv(**(good | change))


@pytest.mark.data
def test_wildtrack_boxes_stand_where_the_truth_says(data_dir):
    errors = []
    for view, name in enumerate(WILDTRACK):
        model = dataset_camera(data_dir / "wildtrack", "intrinsic_zero", name, 0.01)
        assert 1.5 < model.position[2] < 3.6
        for frame in (0, 500, 1000, 1500):
            path = data_dir / "wildtrack" / "annotations_positions" / f"{frame:08d}.json"
            boxes, floor = truth(path, 480, (-3.0, -9.0), view)
            feet = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2.0, boxes[:, 3]])
            errors.append(np.linalg.norm(model.to_floor(feet) - floor, axis=1))
    error = np.concatenate(errors)
    assert len(error) > 250
    # the data's README: median 8.8 cm, p90 20 cm
    assert np.median(error) == pytest.approx(0.088, abs=0.015)
    assert np.quantile(error, 0.9) == pytest.approx(0.20, abs=0.04)


@pytest.mark.data
def test_multiviewx_whose_depths_are_all_negative(data_dir):
    """Its extrinsics put the visible floor behind the camera; with depth > 0 as the rule no box would be valid."""
    errors = []
    for view in range(6):
        model = dataset_camera(data_dir / "multiviewx_mini", "intrinsic", f"Camera{view + 1}", 1.0)
        assert model.position[2] == pytest.approx(2.5, abs=0.01)
        assert model.lens.kind == PERFECT  # its lens moves no pixel by a hundredth
        for frame in (1, 10):
            path = data_dir / "multiviewx_mini" / "annotations_positions" / f"{frame:05d}.json"
            boxes, floor = truth(path, 1000, (0.0, 0.0), view)
            feet = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2.0, boxes[:, 3]])
            errors.append(np.linalg.norm(model.to_floor(feet) - floor, axis=1))
            heads = model.to_image(floor, 1.8)
            assert np.median(np.abs(heads[:, 1] - boxes[:, 1]) / (boxes[:, 3] - boxes[:, 1])) < 0.02
    error = np.concatenate(errors)
    assert np.median(error) == pytest.approx(0.08, abs=0.02)


@pytest.mark.data
def test_distorted_wildtrack_lenses_survive_the_round_trip(data_dir):
    for name in WILDTRACK:
        model = dataset_camera(data_dir / "wildtrack", "intrinsic_original", name, 0.01)
        pixels = image_grid()
        floor = model.to_floor(pixels)
        seen = np.isfinite(floor).all(axis=1)
        assert seen.mean() > 0.5
        assert np.isfinite(model.to_ideal(pixels)).all(axis=1).mean() > 0.98  # all but a corner beyond the fold
        returned = np.abs(model.to_image(floor[seen]) - pixels[seen]).max(axis=1)
        assert np.median(returned) < 1e-4
        assert returned.max() < 1.0


@pytest.mark.data
def test_tsai_agrees_with_the_published_homography_where_people_walk(data_dir):
    folder = data_dir / "pets09_s2l1"
    tsai = CameraModel.from_tsai(TsaiParameters(**read_tsai(folder / "calibration" / "View_001.xml")))
    plain = CameraModel.from_homography(PETS_HOMOGRAPHY, (768, 576))
    frame, person, feet, height = pets_feet(folder / "PETS2009-S2L1_first400.xml")
    floor = tsai.to_floor(feet)
    apart = np.linalg.norm(floor - plain.to_floor(feet), axis=1)
    assert np.median(apart) < 0.03
    assert apart.max() < 0.25
    assert tsai.to_image(floor) == pytest.approx(feet, abs=1e-6)
    assert tsai.position == pytest.approx((-28.9, -19.5, 7.07), abs=0.1)
    assert plain.position == pytest.approx(tsai.position, abs=0.15)
    heads = tsai.to_image(floor, 1.7), plain.to_image(floor, 1.7)
    assert np.median(np.abs(heads[0] - heads[1])) < 1.5
    assert np.median((feet - heads[0])[:, 1] / height) == pytest.approx(1.0, abs=0.05)
    speeds = []
    for one in np.unique(person):
        path, second = floor[person == one], frame[person == one] / 7.0
        speeds.append(np.linalg.norm(path[7:] - path[:-7], axis=1) / (second[7:] - second[:-7]))
    assert np.median(np.concatenate(speeds)) == pytest.approx(0.97, abs=0.05)


@pytest.mark.data
@pytest.mark.parametrize("view", range(1, 9))
def test_every_tsai_view_of_pets_hangs_above_the_floor_and_returns_its_pixels(data_dir, view):
    values = read_tsai(data_dir / "pets09_s2l1" / "calibration" / f"View_00{view}.xml")
    model = CameraModel.from_tsai(TsaiParameters(**values))
    assert 1.5 < model.position[2] < 8.0
    pixels = image_grid(model.size)
    floor = model.to_floor(pixels)
    seen = np.isfinite(floor).all(axis=1)
    assert seen.mean() > 0.4
    assert model.to_image(floor[seen]) == pytest.approx(pixels[seen], abs=0.01)
