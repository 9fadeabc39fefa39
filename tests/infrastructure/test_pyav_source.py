import hashlib
from itertools import pairwise

import av
import numpy as np
import pytest

from app.domains.vocabulary import CameraId
from app.errors import CameraUnavailable, FrameCorrupt
from app.infrastructure.pyav_source import PresentationClock, PyAVSource

CAMERA = CameraId("hall")
SIZE = (96, 64)


def read_all(source):
    """Return frames and the problems of the frames that did not decode; the end's problem last, if any."""
    frames, problems = [], []
    while True:
        try:
            frame = source.read()
        except (FrameCorrupt, CameraUnavailable) as error:
            problems.append(error.problem)
            continue
        if frame is None:
            source.close()
            return frames, problems
        frames.append(frame)


def grey(frame):
    return round(float(frame.pixels.mean()) / 10)


def write_video(path, count=20, pts=None, codec="libx264", **options):
    """Write frames of evenly rising grey (10 a frame), 10 frames per second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"g": "8", **options})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for i in range(count):
            picture = av.VideoFrame.from_ndarray(np.full((SIZE[1], SIZE[0], 3), 10 * i, np.uint8), format="bgr24")
            picture.pts = i if pts is None else pts[i]
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def packets(path):
    """Return (pts rank, position, size) of the packets in the order of decoding."""
    with av.open(str(path)) as container:
        found = [(p.pts, p.pos, p.size) for p in container.demux(video=0) if p.size]
    rank = {pts: i for i, pts in enumerate(sorted(pts for pts, _, _ in found))}
    return [(rank[pts], position, size) for pts, position, size in found]


def overwrite_packets(path, numbers):
    """Replace the content of the packets that are shown as these frames by bytes that no decoder takes."""
    content = bytearray(path.read_bytes())
    for rank, position, size in packets(path):
        if rank in numbers:
            content[position : position + size] = b"\xff" * size
    path.write_bytes(content)


def test_frames_have_time_index_size_and_pixels(tmp_path):
    source = PyAVSource(CAMERA, write_video(tmp_path / "v.mp4"), start_s=1000.0)
    assert (source.camera_id, source.fps, source.frame_count) == (CAMERA, 10.0, 20)
    frames, problems = read_all(source)
    assert [frame.captured_at for frame in frames] == pytest.approx([1000 + i / 10 for i in range(20)], abs=1e-9)
    assert [frame.index for frame in frames] == list(range(20))
    assert [grey(frame) for frame in frames] == list(range(20))
    assert {frame.size for frame in frames} == {SIZE}
    pixels = frames[0].pixels
    assert (pixels.shape, pixels.dtype, pixels.flags.c_contiguous) == ((64, 96, 3), np.uint8, True)
    assert problems == []


def test_pixels_are_blue_green_red(tmp_path):
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        blue = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        blue[..., 0] = 255
        container.mux(stream.encode(av.VideoFrame.from_ndarray(blue, format="bgr24")))
        container.mux(stream.encode())
    pixels = PyAVSource(CAMERA, tmp_path / "v.mp4").read().pixels
    assert pixels.mean(axis=(0, 1)) == pytest.approx([255, 0, 0], abs=6)


def test_a_rate_override_takes_time_from_the_index(tmp_path):
    source = PyAVSource(CAMERA, write_video(tmp_path / "v.mp4"), fps=7.0, start_s=5.0)
    assert source.fps == 7.0
    frames, _ = read_all(source)
    assert [frame.captured_at for frame in frames] == [5 + i / 7 for i in range(20)]


def test_uneven_time_stamps_are_kept(tmp_path):
    pts = [3, 4, 6, 10, 50, 51]
    frames, _ = read_all(PyAVSource(CAMERA, write_video(tmp_path / "v.mkv", count=6, pts=pts)))
    assert [frame.captured_at for frame in frames] == pytest.approx([0, 0.1, 0.3, 0.7, 4.7, 4.8])


def test_frames_that_refer_to_later_ones_come_in_order(tmp_path):
    path = write_video(tmp_path / "v.mp4", bf="2")
    assert [rank for rank, _, _ in packets(path)] != list(range(20))
    frames, problems = read_all(PyAVSource(CAMERA, path))
    assert [grey(frame) for frame in frames] == list(range(20))
    assert problems == []


@pytest.mark.parametrize(
    ("codec", "reorder", "broken", "lost", "damaged"),
    [
        ("libx264", "0", {19}, {19}, set()),
        ("libx264", "0", {5, 6}, {5, 6}, set()),
        ("libx264", "0", {0}, {0}, set(range(1, 8))),
        ("libx264", "2", {5}, {5}, set()),
        ("libx264", "2", {19}, {19}, set()),
        ("mpeg4", "0", {6, 7, 8}, {6, 7, 8}, set()),
        ("mpeg4", "2", {5}, {5}, set()),
        ("mpeg4", "2", {19}, {19}, set()),
        ("mpeg4", "2", {0}, {0, 1, 2}, set()),
        ("mpeg4", "2", {6, 7, 8}, {4, 5, 6, 7, 8}, set()),
    ],
    ids=[
        "the last", "two in a row", "a key frame that seven more refer to", "one that is coded late",
        "the last, coded early", "three in a row", "one between two", "the last, coded in its place",
        "the first, on which two wait", "three, on which two wait",
    ],
)  # fmt: skip
def test_frames_that_do_not_decode_are_corrupt_at_their_place(tmp_path, codec, reorder, broken, lost, damaged):
    path = write_video(tmp_path / "v.mp4", codec=codec, bf=reorder)
    overwrite_packets(path, broken)
    frames, problems = read_all(PyAVSource(CAMERA, path))
    assert problems == [
        f"{path}: frame {i} {'is damaged' if i in damaged else 'does not decode'}" for i in sorted(lost | damaged)
    ]
    assert [frame.index for frame in frames] == sorted(set(range(20)) - lost - damaged)
    assert [frame.captured_at for frame in frames] == pytest.approx([frame.index / 10 for frame in frames])


def test_times_do_not_shift_behind_a_corrupt_frame(tmp_path):
    path = write_video(tmp_path / "v.mp4", codec="mpeg4")
    overwrite_packets(path, {0, 5})
    for override in (None, 10.0):
        frames, _ = read_all(PyAVSource(CAMERA, path, fps=override))
        assert [frame.captured_at for frame in frames] == pytest.approx([frame.index / 10 for frame in frames])
        assert frames[0].index == 1


def test_a_file_in_which_nothing_decodes_ends_with_the_camera_unavailable(tmp_path):
    path = write_video(tmp_path / "v.mp4", count=3, g="1")
    overwrite_packets(path, {0, 1, 2})
    frames, problems = read_all(PyAVSource(CAMERA, path))
    assert frames == []
    assert problems == [f"{path}: frame {i} does not decode" for i in range(3)] + [
        f"{path}: holds no frame that decodes"
    ]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("missing.mp4", None, "no such file"),
        ("empty.mp4", b"", "no video file: Invalid data"),
        ("noise.mp4", b"\x00\x01hello" * 999, "no video file: Invalid data"),
        ("det.txt", b"1,-1,10,20,30,40,0.9\n" * 99, "a text file, no video"),
    ],
)
def test_what_is_no_video_makes_the_camera_unavailable(tmp_path, name, content, problem):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CameraUnavailable) as caught:
        PyAVSource(CAMERA, path)
    assert str(caught.value).startswith(f"camera hall: {path}: {problem}")


def test_sound_alone_makes_the_camera_unavailable(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(CameraUnavailable, match=r"sound\.wav: holds no video stream"):
        PyAVSource(CAMERA, path)


def test_a_folder_is_no_video(tmp_path):
    with pytest.raises(CameraUnavailable, match="no such file"):
        PyAVSource(CAMERA, tmp_path)


def test_a_size_that_changes_is_corrupt(tmp_path):
    with (tmp_path / "v.mjpeg").open("wb") as file:
        for width, height in ((96, 64), (64, 96), (96, 64)):
            codec = av.CodecContext.create("mjpeg", "w")
            codec.width, codec.height, codec.pix_fmt, codec.framerate = width, height, "yuvj420p", 10
            picture = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="bgr24")
            for packet in [*codec.encode(picture.reformat(format="yuvj420p")), *codec.encode()]:
                file.write(bytes(packet))
    frames, problems = read_all(PyAVSource(CAMERA, tmp_path / "v.mjpeg", fps=10.0))
    assert [(frame.index, frame.captured_at) for frame in frames] == [(0, 0.0), (2, 0.2)]
    assert problems == [f"{tmp_path / 'v.mjpeg'}: frame 1 is 64x96, the first frame 96x64"]


def test_nothing_is_read_after_close(tmp_path):
    source = PyAVSource(CAMERA, write_video(tmp_path / "v.mp4"))
    source.read()
    source.close()
    source.close()
    assert source.read() is None


@pytest.mark.parametrize(
    ("pts", "expected"),
    [
        ([5, 6, 7], [0, 0.1, 0.2]),
        ([None, None, None], [0, 0.1, 0.2]),
        ([0, None, None, 4], [0, 0.1, 0.2, 0.4]),
        ([None, 8, 9], [0, 0.1, 0.2]),
        ([0, 1, 1, 2], [0, 0.1, 0.101, 0.2]),
        ([0, 4, 2, 3, 5], [0, 0.4, 0.401, 0.402, 0.5]),
        ([100, 101, 0, 1, 2, 3], [0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        ([100, 101, 0, 1, 60, 0, 1], [0, 0.1, 0.2, 0.3, 6.2, 6.3, 6.4]),
        ([100, 101, 0, 103, 104], [0, 0.1, 0.2, 0.3, 0.4]),
        ([0, 1, 90, 91], [0, 0.1, 9, 9.1]),
    ],
    ids=[
        "the first stamp is the start", "no stamps", "stamps missing", "first stamp missing", "a stamp twice",
        "a small step back", "the clock restarts", "the clock restarts twice", "one wild stamp", "a gap",
    ],
)  # fmt: skip
def test_the_clock_always_goes_on(pts, expected):
    clock = PresentationClock(1000.0, time_base=0.1, period_s=0.1)
    times = [clock.time_of(stamp) - 1000 for stamp in pts]
    assert times == pytest.approx(expected)
    assert all(before < after for before, after in pairwise(times))


@pytest.mark.data
def test_pets_has_795_frames_at_its_true_rate(data_dir):
    source = PyAVSource(CAMERA, data_dir / "pets09_s2l1" / "vtest.avi", fps=7.0)
    assert (source.frame_count, source.fps) == (795, 7.0)
    seen = []
    while (frame := source.read()) is not None:
        seen.append((frame.index, frame.captured_at, frame.size))
    assert seen == [(i, i / 7, (768, 576)) for i in range(795)]


@pytest.mark.data
def test_raw_h264_runs_at_the_rate_that_its_header_states(data_dir):
    source = PyAVSource(CAMERA, data_dir / "intel" / "people-detection.264")
    assert (source.frame_count, source.fps) == (None, 12.0)
    seen = []
    while (frame := source.read()) is not None:
        seen.append((frame.captured_at, frame.size))
    assert [time for time, _ in seen] == pytest.approx([i / 12 for i in range(596)], abs=1e-9)
    assert {size for _, size in seen} == {(768, 432)}


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("pets09_s2l1/vtest.avi", ["ends after 72 of the 795 frames that its header announces"]),
        ("intel/people-detection.264", []),
    ],
    ids=["a container that announces its length", "a raw stream"],
)
def test_a_cut_video_gives_what_it_holds(data_dir, tmp_path, name, end):
    content = (data_dir / name).read_bytes()
    path = tmp_path / name.split("/")[1]
    path.write_bytes(content[: len(content) // 10])
    frames, problems = read_all(PyAVSource(CAMERA, path))
    (lost,) = set(range(len(frames) + 1)) - {frame.index for frame in frames}
    assert lost > 40
    assert problems == [f"{path}: {problem}" for problem in [f"frame {lost} is damaged", *end]]
    whole = PyAVSource(CAMERA, data_dir / name)
    for frame in frames[:lost]:
        assert np.array_equal(frame.pixels, whole.read().pixels)


@pytest.mark.data
@pytest.mark.parametrize("name", ["pets09_s2l1/vtest.avi", "intel/people-detection.264"])
def test_a_garbled_video_is_read_to_its_end_and_always_alike(data_dir, tmp_path, name):
    content = bytearray((data_dir / name).read_bytes()[:450_000])
    content[300_000:306_000] = np.random.default_rng(1).bytes(6000)
    path = tmp_path / name.split("/")[1]
    path.write_bytes(content)
    runs = []
    for _ in range(2):
        frames, problems = read_all(PyAVSource(CAMERA, path))
        runs.append(([(f.index, hashlib.sha256(f.pixels).digest()) for f in frames], problems))
    assert runs[0] == runs[1]
    indices = [index for index, _ in runs[0][0]]
    assert indices == sorted(set(indices))
    assert len(indices) > 25
