"""The video: as many pictures as batches, parts that do not overlap, boxes where people are."""

import itertools

import av
import numpy as np
import pytest

from app.domains.vocabulary import (
    NO_ID,
    CameraId,
    FloorPoints,
    FloorTracks,
    Frame,
    FrameBatch,
    Sightings,
    TrackingUpdate,
    Tracks,
)
from app.infrastructure.camera_drawing import CANVAS, CameraDrawing
from app.infrastructure.drawing_ink import caption_height, identity_colour
from app.infrastructure.floor_sheet import FloorPlan
from app.infrastructure.pyav_video import SiteVideo
from app.infrastructure.site_layout import lay_out

HALL, DOOR = CameraId("hall"), CameraId("door")
NOBODY = FloorTracks(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2, 2)), (), np.zeros(0))
PLAN = FloorPlan((0.0, 0.0, 10.0, 5.0))


def sightings(camera, time, people):
    """People are (id, left, top, right, bottom)."""
    n = len(people)
    table = np.array(people, dtype=np.float64).reshape(n, 5)
    tracks = Tracks(
        camera_id=camera,
        captured_at=time,
        track_id=np.arange(n) + 1,
        state=np.ones(n, np.int64),
        row=np.arange(n),
        xyxy=table[:, 1:].astype(np.float32),
        confidence=np.ones(n, np.float32),
        appearance=np.zeros((n, 0), np.float32),
        certainty=np.ones(n),
    )
    floor = FloorPoints(camera, np.full((n, 2), np.nan), np.zeros((n, 2, 2)), np.zeros(n, np.bool_))
    return Sightings(tracks, table[:, 0].astype(np.int64), floor, np.ones(len(table)))


def frame(camera, time, pixels=None, size=(320, 240)):
    return Frame(camera, time, 0, size, pixels)


def batch_of(time, cameras, people=()):
    update = TrackingUpdate(time, tuple(sightings(camera, time, people) for camera in cameras), NOBODY, ())
    return FrameBatch(time, tuple(frame(camera, time) for camera in cameras)), update


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [picture.to_ndarray(format="bgr24") for picture in container.decode(stream)], stream.average_rate


@pytest.mark.parametrize(
    ("fps", "rate", "repeats"),
    [(7.0, 7, 1), (2.0, 2, 1), (0.5, 2, 4), (30000 / 1001, 29.97003, 1)],
    ids=["seven a second", "two a second", "one every two seconds", "broadcast rate"],
)
@pytest.mark.parametrize("plan", [PLAN, None], ids=["with a floor", "without a floor"])
def test_the_file_has_a_picture_for_every_batch(tmp_path, fps, rate, repeats, plan):
    with SiteVideo(tmp_path / "tracks.mp4", fps, "shop", [HALL, DOOR], plan) as video:
        for step in range(3):
            video.write(*batch_of(step / fps, [HALL, DOOR], [(1, 10 + step, 20, 60, 200)]))
    pictures, found = decoded(tmp_path / "tracks.mp4")
    layout = lay_out([(320, 240)] * 2, plan.aspect if plan else None)
    assert len(pictures) == 3 * repeats
    assert float(found) == pytest.approx(rate, rel=1e-5)
    assert pictures[0].shape == (layout.size[1], layout.size[0], 3)


def test_a_run_without_a_batch_leaves_no_file(tmp_path):
    with SiteVideo(tmp_path / "tracks.mp4", 5.0, "shop", [HALL], PLAN):
        pass
    assert list(tmp_path.iterdir()) == []


def test_closing_twice_finishes_the_file_once(tmp_path):
    video = SiteVideo(tmp_path / "tracks.mp4", 5.0, "shop", [HALL], None)
    video.write(*batch_of(0.0, [HALL]))
    video.close()
    video.close()
    assert len(decoded(tmp_path / "tracks.mp4")[0]) == 1


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_none_is_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="fps"):
        SiteVideo(tmp_path / "tracks.mp4", fps, "shop", [HALL], None)


@pytest.mark.parametrize("count", range(1, 13))
@pytest.mark.parametrize("floor", [None, 0.33, 1.6, 5.0], ids=["no floor", "tall floor", "landscape floor", "corridor"])
@pytest.mark.parametrize("size", [(1920, 1080), (768, 576), (1080, 1920)], ids=["1080p", "PAL", "upright"])
def test_parts_fill_the_picture_and_do_not_overlap(count, floor, size):
    layout = lay_out([size] * count, floor)
    parts = [*layout.cameras, *filter(None, (layout.floor, layout.presence))]
    assert layout.size[0] <= 1920
    assert layout.size[1] <= 1080
    assert layout.size[0] % 2 == layout.size[1] % 2 == 0
    assert len(layout.cameras) == count
    for part in parts:
        assert part.left >= 0
        assert part.top >= layout.header
        assert part.left + part.width <= layout.size[0]
        assert part.top + part.height <= layout.size[1]
    for a, b in itertools.combinations(parts, 2):
        apart_x = a.left + a.width <= b.left or b.left + b.width <= a.left
        assert apart_x or a.top + a.height <= b.top or b.top + b.height <= a.top
    shown = sum(part.width * part.height for part in parts)
    assert shown > 0.45 * layout.size[0] * layout.size[1]


def test_boxes_are_drawn_in_the_colour_of_the_identity_and_to_scale():
    bar = caption_height(640)
    drawing = CameraDrawing(HALL, (640, 480 + bar))
    picture = drawing.draw(
        0.0, frame(HALL, 0.0), sightings(HALL, 0.0, [(7, 100, 50, 140, 150), (NO_ID, 200, 50, 240, 150)])
    )
    coloured = (picture[bar:] == identity_colour(7)).all(axis=2)
    rows, columns = np.flatnonzero(coloured.any(axis=1)), np.flatnonzero(coloured.any(axis=0))
    assert columns[0] == pytest.approx(200, abs=3)
    assert columns[-1] == pytest.approx(280, abs=3)
    assert rows[-1] == pytest.approx(300, abs=3)
    assert coloured[200, 199:203].any()


def test_a_camera_without_pixels_has_a_neutral_canvas():
    picture = CameraDrawing(HALL, (640, 500)).draw(0.0, frame(HALL, 0.0), None)
    assert tuple(picture[250, 320].tolist()) == CANVAS


@pytest.mark.parametrize("size", [(1920, 1080), (160, 120), (33, 77)], ids=["shrunk", "enlarged", "odd"])
def test_pixels_are_fitted_into_the_view(size):
    pixels = np.full((size[1], size[0], 3), (10, 200, 90), np.uint8)
    picture = CameraDrawing(HALL, (640, 390)).draw(0.0, frame(HALL, 0.0, pixels, size), None)
    assert tuple(picture[220, 320].tolist()) == (10, 200, 90)


def test_an_overdue_camera_shows_its_last_frame_dimmed():
    pixels = np.full((240, 320, 3), 200, np.uint8)
    drawing = CameraDrawing(HALL, (320, 270))
    drawing.draw(0.0, frame(HALL, 0.0, pixels), None)
    assert drawing.draw(0.5, None, None)[100, 40].tolist() == [200, 200, 200]
    assert drawing.draw(3.0, None, None)[100, 40].tolist() == [80, 80, 80]


def test_a_slow_camera_is_not_overdue_between_its_frames():
    pixels = np.full((240, 320, 3), 200, np.uint8)
    drawing = CameraDrawing(HALL, (320, 270))
    for time in (0.0, 2.0):
        drawing.draw(time, frame(HALL, time, pixels), None)
    assert drawing.draw(3.5, None, None)[100, 40].tolist() == [200, 200, 200]


def test_a_camera_that_was_never_seen_has_a_view(tmp_path):
    with SiteVideo(tmp_path / "tracks.mp4", 5.0, "shop", [HALL, DOOR], PLAN) as video:
        video.write(*batch_of(0.0, [DOOR]))
        video.write(*batch_of(0.2, []))
    assert len(decoded(tmp_path / "tracks.mp4")[0]) == 2


def test_nobody_anywhere_is_drawn(tmp_path):
    with SiteVideo(tmp_path / "tracks.mp4", 5.0, "shop", [HALL], PLAN) as video:
        for step in range(3):
            video.write(*batch_of(step / 5, [HALL], []))
    assert len(decoded(tmp_path / "tracks.mp4")[0]) == 3
