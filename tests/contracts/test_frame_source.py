"""What every FrameSource keeps to, whatever its frames come from."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from fakes import FakeSource

from app.domains.vocabulary import CameraId
from app.infrastructure.image_source import ImageSource
from app.infrastructure.mot_detections import DetectionsSource, read_recording
from app.infrastructure.pyav_source import PyAVSource
from app.orchestration.ports import FrameSource

SIZE, FPS, FRAMES = (64, 48), 4.0, 5


def picture(i: int) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), 40 * i, np.uint8)


def write_video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=int(FPS))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for i in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(i), format="bgr24")))
        container.mux(stream.encode())


@pytest.fixture(params=["fake", "detections", "images", "video"])
def source(request, tmp_path):
    name = CameraId("a")
    if request.param == "fake":
        source: FrameSource = FakeSource("a", [i / FPS for i in range(FRAMES)], SIZE, FPS)
    elif request.param == "detections":
        (tmp_path / "det.txt").write_text(f"1,-1,5,5,9,20,0.9\n{FRAMES},-1,5,5,9,20,0.9\n")
        source = DetectionsSource(name, read_recording(tmp_path / "det.txt"), SIZE, FPS)
    elif request.param == "images":
        for i in range(FRAMES):
            cv2.imwrite(str(tmp_path / f"{i}.png"), picture(i))
        source = ImageSource(name, tmp_path, FPS)
    else:
        write_video(tmp_path / "a.mp4")
        source = PyAVSource(name, tmp_path / "a.mp4", None, 0.0)
    yield source
    source.close()


def test_frames_come_in_order_with_their_times(source):
    frames = list(iter(source.read, None))
    assert [frame.camera_id for frame in frames] == ["a"] * FRAMES
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert [frame.captured_at for frame in frames] == pytest.approx([i / FPS for i in range(FRAMES)], abs=1e-3)
    assert source.fps == pytest.approx(FPS)


def test_frames_have_the_size_that_they_say(source):
    for frame in iter(source.read, None):
        assert frame.size == SIZE
        assert frame.pixels is None or (frame.pixels.shape, frame.pixels.dtype) == ((SIZE[1], SIZE[0], 3), np.uint8)


def test_no_more_frames_come_than_were_promised(source):
    assert source.frame_count is None or source.frame_count == FRAMES
    assert len(list(iter(source.read, None))) == FRAMES


def test_the_end_stays_the_end(source):
    for _ in iter(source.read, None):
        pass
    assert source.read() is None
    assert source.read() is None


def test_a_source_may_be_closed_twice(source):
    source.read()
    source.close()
    source.close()
