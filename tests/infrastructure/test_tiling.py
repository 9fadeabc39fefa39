import numpy as np
import pytest

from app.infrastructure.tiling import Tiles, cut_at_seams, lay_tiles, remains_at_seams


@pytest.mark.parametrize(
    ("frame", "tile", "overlap", "expected"),
    [
        pytest.param((100, 80), (100, 80), 0.2, [[0, 0, 100, 80]], id="a frame as large as a tile is one tile"),
        pytest.param((60, 40), (100, 80), 0.2, [[0, 0, 60, 40]], id="a frame smaller than a tile is one tile"),
        pytest.param((180, 50), (100, 50), 0.2, [[0, 0, 100, 50], [80, 0, 180, 50]], id="two side by side"),
        pytest.param(
            (150, 150),
            (100, 100),
            0.0,
            [[0, 0, 100, 100], [50, 0, 150, 100], [0, 50, 100, 150], [50, 50, 150, 150]],
            id="four, row by row, spread evenly",
        ),
    ],
)
def test_layout(frame, tile, overlap, expected):
    assert lay_tiles(frame, tile, overlap).tolist() == expected


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("frame", [(1920, 1080), (1279, 719), (641, 2000)])
def test_every_pixel_is_covered_and_neighbours_share_enough(frame, overlap):
    tiles = lay_tiles(frame, (653, 384), overlap)
    for axis, side in ((0, min(653, frame[0])), (1, min(384, frame[1]))):
        begin = np.unique(tiles[:, axis])
        assert (tiles[:, axis + 2] - tiles[:, axis] == side).all()
        assert begin[0] == 0
        assert begin[-1] + side == frame[axis]
        assert (np.diff(begin) <= side * (1 - overlap) + 1).all()


def test_a_box_is_cut_only_at_inner_borders():
    tile = np.array([[0, 0, 100, 100]])
    frame = np.array([[180, 100]])
    boxes = np.array([[70, 10, 100, 60], [0, 10, 20, 60], [10, 40, 30, 100], [60, 10, 90, 60]], np.float32)
    assert cut_at_seams(boxes, np.repeat(tile, 4, 0), np.repeat(frame, 4, 0)).tolist() == [True, False, False, False]


def test_the_rest_of_a_person_at_a_seam_goes():
    boxes = np.array([[80, 10, 100, 60], [80, 10, 120, 60], [85, 70, 100, 90]], np.float32)
    cut, found_in = np.array([True, False, True]), np.array([0, 1, 0])
    assert remains_at_seams(boxes, cut, found_in).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("cut", "found_in"),
    [
        pytest.param([False, False], [0, 1], id="it is not cut: someone stands before someone"),
        pytest.param([True, False], [0, 0], id="both are of one tile: the network told them apart"),
    ],
)
def test_a_covered_box_stays_when(cut, found_in):
    boxes = np.array([[80, 10, 100, 60], [80, 10, 120, 60]], np.float32)
    assert not remains_at_seams(boxes, np.array(cut), np.array(found_in)).any()


def test_of_two_equal_cut_boxes_none_goes():
    boxes = np.array([[80, 10, 100, 60], [80, 10, 100, 60]], np.float32)
    assert not remains_at_seams(boxes, np.array([True, True]), np.array([0, 1])).any()


def test_no_boxes():
    none = np.zeros((0, 4), np.float32)
    assert cut_at_seams(none, np.zeros((0, 4), np.int64), np.zeros((0, 2), np.int64)).shape == (0,)
    assert remains_at_seams(none, np.zeros(0, np.bool_), np.zeros(0, np.int64)).shape == (0,)


@pytest.mark.parametrize(("size", "overlap"), [(0, 0.2), (100, 1.0), (100, -0.1)])
def test_impossible_tiles_are_refused(size, overlap):
    with pytest.raises(ValueError, match="tiles of"):
        Tiles(size, overlap)
