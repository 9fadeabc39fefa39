"""The floor plan: dots where people stand, colours that stay, and nothing that breaks when nobody is there."""

import cv2
import numpy as np
import pytest

from app.domains.vocabulary import FloorTracks
from app.infrastructure.drawing_ink import (
    Pen,
    Trails,
    clock,
    identity_colour,
    overlap_area,
    smoothed,
    write_labels,
    write_png,
)
from app.infrastructure.floor_drawing import FloorDrawing
from app.infrastructure.floor_sheet import FloorCamera, FloorPlan, PlanImage, read_plan_image

PLAN = FloorPlan((-5.0, 10.0, 15.0, 20.0))
FULL_PLAN = FloorPlan(
    (-5.0, 10.0, 15.0, 20.0),
    PlanImage(np.full((100, 200, 3), 255, np.uint8), 10.0, (50.0, 200.0)),
    (("till", np.array([[0.0, 12.0], [4.0, 12.0], [4.0, 16.0]])), ("gate", np.array([[10.0, 12.0], [10.0, 18.0]]))),
    (
        FloorCamera("entrance", (-8.0, 15.0), np.array([[-5.0, 15.0], [10.0, 11.0], [10.0, 19.0]])),
        FloorCamera("blind", None, np.zeros((0, 2))),
    ),
)


def tracks(ids, xy, sigma=0.05, cameras=("hall",)):
    n = len(ids)
    return FloorTracks(
        np.array(ids, dtype=np.int64),
        np.array(xy, dtype=np.float64).reshape(n, 2),
        np.zeros((n, 2)),
        np.tile(np.eye(2) * sigma**2, (n, 1, 1)),
        (tuple(cameras),) * n,
        np.ones(n),
    )


def colour_at(picture, point):
    return tuple(picture[round(point[1]), round(point[0])].tolist())


@pytest.mark.parametrize(
    "xy", [(0.0, 15.0), (-4.0, 11.0), (14.0, 19.0)], ids=["the middle", "near the lower left", "near the upper right"]
)
@pytest.mark.parametrize("size", [(800, 500), (400, 900)], ids=["landscape panel", "portrait panel"])
def test_a_dot_lies_where_the_person_stands(xy, size):
    drawing = FloorDrawing(PLAN, size)
    picture = drawing.draw(0.0, tracks([7], [xy]))
    assert picture.shape == (size[1], size[0], 3)
    assert colour_at(picture, drawing.to_pixels(np.array([xy]))[0]) == identity_colour(7)


def test_y_goes_up_and_both_axes_have_one_scale():
    origin, right, up = FloorDrawing(PLAN, (800, 500)).to_pixels(np.array([[0.0, 15.0], [1.0, 15.0], [0.0, 16.0]]))
    assert right[0] - origin[0] == pytest.approx(origin[1] - up[1])
    assert right[0] > origin[0]


def test_a_person_beyond_the_bounds_is_not_drawn():
    empty = FloorDrawing(PLAN, (800, 500)).draw(0.0, tracks([], []))
    assert np.array_equal(FloorDrawing(PLAN, (800, 500)).draw(0.0, tracks([7], [(40.0, 15.0)])), empty)


def test_a_coasting_dot_is_hollow():
    drawing = FloorDrawing(PLAN, (800, 500))
    picture = drawing.draw(0.0, tracks([7], [(0.0, 15.0)], cameras=()))
    centre = drawing.to_pixels(np.array([[0.0, 15.0]]))[0]
    assert colour_at(picture, centre) != identity_colour(7)
    assert colour_at(picture, centre + np.array([5, 0])) == identity_colour(7)


def test_doubt_is_drawn_as_an_ellipse_along_its_axis():
    drawing = FloorDrawing(PLAN, (800, 500))
    blank = drawing.draw(0.0, tracks([], []))
    doubtful = tracks([7], [(5.0, 15.0)])
    doubtful.covariance[0] = [[0.5, 0.45], [0.45, 0.5]]  # long from the lower left to the upper right
    picture = drawing.draw(0.1, doubtful)
    along, across = drawing.to_pixels(np.array([[4.0, 14.0], [4.0, 16.0]]))
    assert colour_at(picture, along) != colour_at(blank, along)
    assert colour_at(picture, across) == colour_at(blank, across)


def test_a_trail_follows_and_fades():
    drawing = FloorDrawing(PLAN, (800, 500), trail_s=4.0)
    blank = drawing.draw(0.0, tracks([], []))
    for step in range(5):
        picture = drawing.draw(1.0 + step, tracks([7], [(-3.0 + 2 * step, 15.0)]))
    ink = np.abs(picture.astype(int) - blank).sum(axis=2)
    old, recent = drawing.to_pixels(np.array([[-2.4, 15.0], [2.4, 15.0]]))
    assert ink[round(recent[1]), round(recent[0])] > ink[round(old[1]), round(old[0])] > 0


def test_a_trail_does_not_join_two_people():
    trails, picture = Trails(4.0), np.zeros((50, 100, 3), np.uint8)
    trails.add(0.0, np.array([1]), np.array([[10.0, 25.0]]))
    trails.add(0.5, np.array([2]), np.array([[90.0, 25.0]]))
    trails.draw(picture)
    assert not picture.any()


def test_a_plan_with_everything_on_it_differs_from_a_bare_one():
    nobody = tracks([], [])
    full = FloorDrawing(FULL_PLAN, (800, 500)).draw(0.0, nobody)
    assert not np.array_equal(full, FloorDrawing(PLAN, (800, 500)).draw(0.0, nobody))


def test_the_image_of_the_floor_lies_to_scale():
    pixels = np.zeros((200, 200, 3), np.uint8)
    cv2.circle(pixels, (150, 50), 6, (255, 255, 255), -1)  # 10 m right of the origin and 15 m above it
    drawing = FloorDrawing(FloorPlan(PLAN.bounds, PlanImage(pixels, 10.0, (50.0, 200.0))), (800, 500))
    picture = drawing.draw(0.0, tracks([], [])).astype(int).sum(axis=2)
    mark, beside = drawing.to_pixels(np.array([[10.0, 15.0], [8.5, 15.4]]))
    assert picture[round(mark[1]), round(mark[0])] > picture[round(beside[1]), round(beside[0])] + 100


def oklab(bgr):
    """The published matrices of OKLab, from sRGB."""
    srgb = np.array(bgr, dtype=np.float64)[:, ::-1] / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_cones = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
    to_lab = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    return np.cbrt(linear @ np.array(to_cones).T) @ np.array(to_lab).T


@pytest.mark.parametrize(("first", "people", "least"), [(1, 24, 0.095), (1, 64, 0.055), (990, 64, 0.055)])
def test_people_one_after_the_other_have_colours_that_differ(first, people, least):
    colours = oklab([identity_colour(global_id) for global_id in range(first, first + people)])
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2) + np.eye(people)
    assert apart.min() > least
    assert colours[:, 0].min() > 0.65  # dark lettering can be read on it


def test_a_colour_stays():
    assert identity_colour(1) == (254, 198, 70)


@pytest.mark.parametrize("mirrored", [False, True], ids=["right-handed frame", "left-handed frame"])
def test_the_plan_turns_the_way_that_cameras_see_it(mirrored):
    drawing = FloorDrawing(FloorPlan(PLAN.bounds, mirrored=mirrored), (800, 500))
    low, high = drawing.to_pixels(np.array([[0.0, 11.0], [0.0, 19.0]]))
    assert (high[1] > low[1]) == mirrored
    picture = drawing.draw(0.0, tracks([7], [(0.0, 19.0)]))
    assert colour_at(picture, high) == identity_colour(7)


def test_a_drawing_of_the_floor_keeps_y_up_whatever_the_cameras_see():
    plan = FloorPlan(PLAN.bounds, FULL_PLAN.image, mirrored=True)
    assert not plan.y_down


def test_doubt_in_a_left_handed_frame_leans_the_other_way():
    drawing = FloorDrawing(FloorPlan(PLAN.bounds, mirrored=True), (800, 500))
    blank = drawing.draw(0.0, tracks([], []))
    doubtful = tracks([7], [(5.0, 15.0)])
    doubtful.covariance[0] = [[0.5, 0.45], [0.45, 0.5]]
    picture = drawing.draw(0.1, doubtful)
    along, across = drawing.to_pixels(np.array([[4.0, 14.0], [4.0, 16.0]]))
    assert colour_at(picture, along) != colour_at(blank, along)
    assert colour_at(picture, across) == colour_at(blank, across)


def test_the_trail_of_somebody_who_left_goes_away():
    trails = Trails(6.0)
    pictures = []
    for time, ids in ((0.0, [1]), (0.5, [1]), (1.0, [1]), (1.5, []), (2.5, []), (3.0, [])):
        trails.add(time, np.array(ids, dtype=np.int64), np.array([[20.0 + 20 * time, 25.0]] * len(ids)).reshape(-1, 2))
        pictures.append(np.zeros((50, 100, 3), np.uint8))
        trails.draw(pictures[-1])
    assert pictures[3].any()
    assert not pictures[5].any()


def test_a_trail_is_smooth_and_ends_at_the_dot():
    points = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, -1.0], [3.0, 1.0], [4.0, 0.0]])
    calm = smoothed(points, np.ones(4, dtype=bool))
    assert np.array_equal(calm[[0, -1]], points[[0, -1]])
    assert np.abs(calm[1:-1, 1]).max() < 0.5
    assert np.array_equal(smoothed(points, np.zeros(4, dtype=bool)), points)


def test_names_keep_off_each_other_and_off_what_is_taken():
    picture = np.zeros((120, 200, 3), np.uint8)
    points, pen = np.array([[100.0, 60.0], [112.0, 60.0]]), Pen(14)
    taken = write_labels(picture, points, [("1", pen), ("2", pen)], 4.0, np.array([[124.0, 50, 150, 70]]))
    names = taken[-2:]
    assert len(taken) == 5
    assert overlap_area(names, taken[:1]).sum() == 0
    assert overlap_area(names[:1], names[1:]).sum() == 0


@pytest.mark.parametrize(
    ("captured_at", "text"),
    [
        (0.0, "00:00.0"),
        (59.96, "01:00.0"),
        (3725.25, "62:05.2"),
        (-1.5, "-00:01.5"),
        (1767261609.5, "10:00:09.5 UTC"),
    ],
    ids=["the start", "rounded up to a minute", "beyond an hour", "before the start", "seconds since epoch"],
)
def test_clock(captured_at, text):
    assert clock(captured_at) == text


def test_lettering_is_centred_on_its_place():
    picture = np.zeros((60, 200, 3), np.uint8)
    Pen(20).write(picture, "1080", (100, 30), anchor=0.5)
    rows, columns = np.flatnonzero(picture.any(axis=(1, 2))), np.flatnonzero(picture.any(axis=(0, 2)))
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(30, abs=1.5)
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(100, abs=2)


def test_a_picture_survives_its_file(tmp_path):
    picture = FloorDrawing(FULL_PLAN, (300, 200)).draw(0.0, tracks([1, 2], [(0, 15), (3, 15)]))
    write_png(tmp_path / "plan.png", picture)
    assert np.array_equal(read_plan_image(tmp_path / "plan.png", 10.0, (0.0, 0.0)).pixels, picture)


@pytest.mark.parametrize("content", [b"", b"GIF?"], ids=["empty", "not a picture"])
def test_a_plan_that_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "plan.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"plan\.png is no readable picture"):
        read_plan_image(tmp_path / "plan.png", 10.0, (0.0, 0.0))
