import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from app.domains.mapping.camera_model import CameraModel
from app.domains.mapping.view import CameraView, ViewConfig, clip_polygon
from app.domains.vocabulary import CameraId
from app.infrastructure.calibration_files import read_opencv_extrinsics, read_opencv_intrinsics

SIZE = (1920, 1080)
INTRINSICS = np.array([[1200.0, 0.0, 960.0], [0.0, 1200.0, 540.0], [0.0, 0.0, 1.0]])
BARREL = np.array([-0.3, 0.1, 0.001, 0.001, -0.02])
FEET = ViewConfig(height_sigma_m=0.0)  # asks no heads
EXACT = replace(FEET, sigma_u=0.0, sigma_v=0.0, min_sigma_px=3.0, floor_sigma_m=0.0)
PERSON_M = 1.7


def view(distortion=(), config: ViewConfig = ViewConfig(), down: float = 0.35) -> CameraView:  # noqa: B008 - frozen
    """Return a camera 4 m above (0, 0) that looks along y."""
    rotation = np.array([[1, 0, 0], [0, -np.sin(down), -np.cos(down)], [0, np.cos(down), -np.sin(down)]])
    half = 0.5 * np.arccos((np.trace(rotation) - 1.0) / 2.0)
    axis = np.array([rotation[2, 1] - rotation[1, 2], 0.0, 0.0]) / (2.0 * np.sin(2.0 * half))
    model = CameraModel.from_opencv(
        SIZE, INTRINSICS, np.array(distortion, dtype=float), axis * 2.0 * half, rotation @ [0.0, 0.0, -4.0]
    )
    return CameraView(CameraId("hall"), SIZE, model, config)


def people(n: int = 40) -> np.ndarray:
    return np.random.default_rng(2).uniform([-3.0, 7.0], [3.0, 20.0], (n, 2))


def project_one(camera: CameraView, *box: float):
    return camera.project(np.array([box], dtype=np.float32))


@pytest.mark.parametrize("distortion", [(), BARREL], ids=["no lens", "barrel lens"])
def test_expected_boxes_project_back_to_where_the_people_stand(distortion):
    camera, xy = view(distortion), people()
    boxes, visible = camera.boxes(xy, PERSON_M)
    floor = camera.project(boxes)
    assert visible.all()
    assert floor.valid.all()
    assert floor.camera_id == "hall"
    # not exact: the body's slant is measured at the foot, the lens bends it, and the feet might be hidden after all
    assert np.linalg.norm(floor.xy - xy, axis=1).max() < 0.08


def test_a_slanted_person_is_found_at_the_feet_and_not_under_the_middle_of_the_box():
    camera, xy = view(config=FEET), np.array([[-3.0, 6.0]])
    box = camera.boxes(xy, PERSON_M)[0][0]
    middle = np.array([[(box[0] + box[2]) / 2.0, box[3]]], dtype=float)
    assert np.linalg.norm(camera.model.to_floor(middle) - xy) > 0.12
    assert np.linalg.norm(project_one(camera, *box).xy - xy) < 0.01


@pytest.mark.parametrize(
    ("box", "valid"),
    [
        ((900, 500, 1000, 800), True),
        ((900, 10, 930, 60), False),
        ((900, 700, 1100, 1080), False),
        ((900, 700, 1100, 1079), False),
        ((900, 700, 1100, 1070), True),
        ((900, 700, 1100, np.nan), False),
        ((1800, 500, 1920, 900), True),
        ((940, 90, 950, 104), False),
    ],
    ids=[
        "whole",
        "in the sky",
        "cut at the bottom",
        "cut, rounded",
        "just inside",
        "NaN",
        "cut at the side",
        "far off",
    ],
)
def test_which_boxes_have_a_floor_point(box, valid):
    floor = project_one(view(config=FEET), *box)
    assert floor.valid.tolist() == [valid]
    assert np.isfinite(floor.xy).all() == valid
    assert np.isfinite(floor.covariance).all() == valid


STANDING = np.array([[0.5, 8.0], [-2.0, 14.0]])


def heads_view(**changes: float) -> CameraView:
    """A view of people who are all PERSON_M tall."""
    return view(config=replace(ViewConfig(), person_height_m=PERSON_M, **changes))


def whole_and_cut(camera: CameraView, hidden: float) -> tuple[np.ndarray, np.ndarray]:
    """The boxes of two people, and the same without the share `hidden` at their lower end."""
    whole = camera.boxes(STANDING, PERSON_M)[0]
    cut = whole.copy()
    cut[:, 3] -= hidden * (whole[:, 3] - whole[:, 1])
    return whole, cut


@pytest.mark.parametrize("distortion", [(), BARREL], ids=["no lens", "barrel lens"])
def test_hidden_feet_are_found_below_the_head(distortion):
    camera = view(distortion, replace(ViewConfig(), person_height_m=PERSON_M))
    whole, cut = whole_and_cut(camera, 0.45)
    seen, hidden = camera.project(whole), camera.project(cut)
    assert np.linalg.norm(seen.xy - STANDING, axis=1).max() < 0.03
    assert np.linalg.norm(hidden.xy - STANDING, axis=1).max() < 0.15, "the lens bends an upright line"
    by_feet = view(distortion, FEET).project(cut)
    assert np.linalg.norm(by_feet.xy - STANDING, axis=1).min() > 1.5
    assert (hidden.covariance[:, 1, 1] > 2.0 * seen.covariance[:, 1, 1]).all()


def test_a_head_alone_is_wrong_by_as_much_as_its_deviation_says():
    """People of many heights, the lower half of whom is hidden."""
    rng = np.random.default_rng(8)
    xy = people(400)
    camera = heads_view(sigma_u=0.0, sigma_head=0.0, min_sigma_px=0.5, floor_sigma_m=0.0)
    boxes = np.concatenate([camera.boxes(xy[i : i + 1], PERSON_M + rng.normal(0.0, 0.1))[0] for i in range(len(xy))])
    boxes[:, 3] -= 0.4 * (boxes[:, 3] - boxes[:, 1])
    floor = camera.project(boxes)
    gap = floor.xy - xy
    distance = np.einsum("ni,nij,nj->n", gap, np.linalg.inv(floor.covariance), gap)
    assert 0.6 < np.median(np.abs(gap[:, 1]) / np.sqrt(floor.covariance[:, 1, 1])) / 0.674 < 1.4
    assert np.isfinite(distance).all()


@pytest.mark.parametrize(("away_m", "shown"), [(3.2, 0.6), (2.8, 0.3)], ids=["half shown", "a third shown"])
def test_feet_below_the_image_are_found_by_the_head(away_m, shown):
    camera = heads_view()
    (box,) = camera.boxes(np.array([[0.0, away_m]]), PERSON_M)[0]
    assert box[3] > SIZE[1] > box[1] > 0
    assert (SIZE[1] - box[1]) / (box[3] - box[1]) < shown
    floor = project_one(camera, box[0], box[1], box[2], SIZE[1])
    assert floor.valid.tolist() == [True]
    assert floor.xy[0] == pytest.approx([0.0, away_m], abs=0.1)
    assert not project_one(view(config=FEET), box[0], box[1], box[2], SIZE[1]).valid.any()


def test_a_head_at_the_upper_edge_tells_nothing():
    floor, by_feet = (project_one(camera, 900, 0, 1000, 800) for camera in (heads_view(), view(config=FEET)))
    np.testing.assert_array_equal(floor.xy, by_feet.xy)
    assert not project_one(heads_view(), 900, 0, 1000, SIZE[1]).valid.any()


def test_both_ends_of_a_box_are_surer_than_its_feet():
    camera = heads_view(hidden_share=0.0, covered_hidden=0.0)
    boxes = camera.boxes(people(), PERSON_M)[0]
    both, by_feet = camera.project(boxes), view(config=FEET).project(boxes)
    assert (both.covariance[:, 1, 1] < by_feet.covariance[:, 1, 1]).all()


def test_range_is_measured_from_the_camera():
    xy = np.array([[0.0, 20.0], [0.0, 31.0]])
    camera = view(config=ViewConfig(max_range_m=30.0))
    boxes, visible = camera.boxes(xy, PERSON_M)
    assert visible.tolist() == [True, False]
    assert camera.project(boxes).valid.tolist() == [True, False]


@pytest.mark.parametrize("model", [None, view().model], ids=["no calibration", "calibrated"])
def test_no_boxes_give_no_points(model):
    camera = CameraView(CameraId("hall"), SIZE, model)
    assert len(camera.project(np.empty((0, 4), dtype=np.float32))) == 0
    boxes, visible = camera.boxes(np.empty((0, 2)), PERSON_M)
    assert (boxes.shape, visible.shape) == ((0, 4), (0,))


def test_a_camera_without_calibration_sees_nobody_and_invents_nothing():
    camera = CameraView(CameraId("yard"), SIZE, None)
    floor = project_one(camera, 10, 10, 50, 100)
    assert not floor.valid.any()
    assert np.isnan(floor.xy).all()
    assert not camera.boxes(np.zeros((2, 2)), PERSON_M)[1].any()
    assert camera.footprint().shape == (0, 2)


def test_a_calibration_for_another_image_size_is_refused():
    with pytest.raises(ValueError, match="frames are 1280x720, the calibration is for 1920x1080"):
        CameraView(CameraId("hall"), (1280, 720), view().model)


@pytest.mark.parametrize("distortion", [(), BARREL], ids=["no lens", "barrel lens"])
def test_covariance_equals_monte_carlo(distortion):
    camera = view(distortion, EXACT)
    box = np.array([300.0, 500.0, 400.0, 800.0])
    floor = project_one(camera, *box)
    foot = camera.model.to_image(floor.xy)
    noisy = foot + np.random.default_rng(3).normal(0.0, 3.0, (20_000, 2))
    sampled = np.cov(camera.model.to_floor(noisy).T)
    assert floor.covariance[0] == pytest.approx(sampled, rel=0.05, abs=2e-5)


def test_noise_grows_with_the_box_and_the_floor_adds_its_own():
    jacobian = view().model.to_floor_with_jacobian(np.array([[960.0, 800.0]]))[1][0]
    config = replace(FEET, sigma_u=0.02, sigma_v=0.05, min_sigma_px=4.0, floor_sigma_m=0.1)
    for height, sigma_u, sigma_v in ((40.0, 4.0, 4.0), (300.0, 6.0, 15.0)):
        floor = project_one(view(config=config), 930.0, 800.0 - height, 990.0, 800.0)
        expected = jacobian @ np.diag([sigma_u**2, sigma_v**2]) @ jacobian.T + 0.01 * np.eye(2)
        assert floor.covariance[0] == pytest.approx(expected)


def test_a_box_cut_at_the_side_is_less_certain_sideways_only():
    whole = project_one(view(), 1700, 500, 1808, 800).covariance[0]
    cut = project_one(view(), 1880, 500, 1920, 800).covariance[0]
    assert cut[0, 0] > 4.0 * whole[0, 0]
    assert cut[1, 1] < 2.0 * whole[1, 1]


def test_who_can_be_seen():
    xy = np.array([[0.0, 10.0], [0.0, -10.0], [30.0, 10.0], [0.0, 4.0], [0.0, 2.5], [np.nan, 0.0]])
    # at 4.0 m the feet are below the image and the upper body is inside; at 2.5 m nothing is
    boxes, visible = view().boxes(xy, PERSON_M)
    assert visible.tolist() == [True, False, False, True, False, False]
    assert boxes[3, 3] > 1080.0
    assert np.isnan(boxes[1]).all()


def test_a_camera_with_unknown_heights_expects_nobody():
    model = CameraModel.from_homography(np.array([[0.01, 0.0, -9.6], [0.0, -0.01, 5.4], [0.0, 0.0, 1.0]]), SIZE)
    camera = CameraView(CameraId("ceiling"), SIZE, model)
    boxes, visible = camera.boxes(np.zeros((2, 2)), PERSON_M)
    assert np.isnan(boxes).all()
    assert not visible.any()
    assert project_one(camera, 900, 500, 1000, 640).valid.all()


def test_footprint_is_cut_at_the_bounds_and_at_the_range():
    bounds = (-4.0, 0.0, 4.0, 15.0)
    polygon = view().footprint(bounds)
    assert polygon.min(axis=0) == pytest.approx((-4.0, 4.0 / np.tan(0.35 + np.arctan(540.0 / 1200.0))))
    assert view(BARREL).footprint(bounds)[:, 1].min() < polygon[:, 1].min()  # a barrel lens looks farther down
    assert polygon.max(axis=0) == pytest.approx((4.0, 15.0))
    far = view(config=ViewConfig(max_range_m=30.0)).footprint()
    assert far[:, 1].max() == pytest.approx((30.0 - 4.0 * np.sin(0.35)) / np.cos(0.35), abs=0.01)


def test_clip_polygon_cuts_a_square_and_may_leave_nothing():
    square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    assert clip_polygon(square, np.array([-1.0, 0.0]), 1.0).tolist() == [[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [0.0, 2.0]]
    assert clip_polygon(square, np.array([1.0, 0.0]), -3.0).shape == (0, 2)


@pytest.mark.parametrize(
    ("field", "value"), [("sigma_u", -0.1), ("max_range_m", 0.0), ("min_sigma_px", float("nan"))], ids=str
)
def test_unusable_setting_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        ViewConfig(**(asdict(ViewConfig()) | {field: value}))


def test_unknown_setting_is_refused():
    with pytest.raises(ValidationError, match="sigma_w"):
        TypeAdapter(ViewConfig).validate_python({"sigma_w": 0.1})


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "intrinsic", "name", "unit", "columns", "origin", "path", "index"),
    [
        ("wildtrack", "intrinsic_zero", "CVLab1", 0.01, 480, (-3.0, -9.0), "00000500.json", 0),
        ("wildtrack", "intrinsic_zero", "IDIAP3", 0.01, 480, (-3.0, -9.0), "00000500.json", 6),
        ("multiviewx_mini", "intrinsic", "Camera1", 1.0, 1000, (0.0, 0.0), "00005.json", 0),
        ("multiviewx_mini", "intrinsic", "Camera4", 1.0, 1000, (0.0, 0.0), "00005.json", 3),
    ],
    ids=["WILDTRACK C1", "WILDTRACK C7", "MultiviewX C1", "MultiviewX C4"],
)
def test_annotated_boxes_and_positions_predict_each_other(
    data_dir, folder, intrinsic, name, unit, columns, origin, path, index
):
    calibrations = data_dir / folder / "calibrations"
    inner = read_opencv_intrinsics(calibrations / intrinsic / f"intr_{name}.xml")
    outer = read_opencv_extrinsics(calibrations / "extrinsic" / f"extr_{name}.xml")
    model = CameraModel.from_opencv(SIZE, inner.camera_matrix, inner.distortion, outer.rvec, outer.tvec * unit)
    camera = CameraView(CameraId(name), SIZE, model, FEET)
    annotated = json.loads((data_dir / folder / "annotations_positions" / path).read_text())
    cells = np.array([person["positionID"] for person in annotated])
    xy = 0.025 * np.stack([cells % columns, cells // columns], axis=1) + origin
    boxes = np.array([[person["views"][index][k] for k in ("xmin", "ymin", "xmax", "ymax")] for person in annotated])
    seen = boxes.max(axis=1) > 0
    floor = camera.project(boxes[seen].astype(np.float32))
    error = np.linalg.norm(floor.xy - xy[seen], axis=1)[floor.valid]
    assert len(error) >= 6
    assert np.median(error) < 0.07  # 0.088 without the lean
    assert np.quantile(error, 0.9) < 0.25
    expected, visible = camera.boxes(xy, 1.8)
    assert visible[seen].mean() > 0.6  # not the reverse: people who are wholly hidden are not annotated
    assert np.median(np.abs(expected[seen] - boxes[seen])[:, 1] / (boxes[seen, 3] - boxes[seen, 1])) < 0.03
