import numpy as np
import pytest

from app.domains.vocabulary import CameraId, Crops, Detections, Embeddings, Frame, FrameBatch
from app.errors import ConfigError
from app.infrastructure.mot_detections import (
    DetectionsSource,
    RecordedDetector,
    RecordedEmbedder,
    read_recording,
)

TEXT = "1,-1,10,20,30,40,0.9,-1,-1,-1\n1,-1,50,60,10,20,0.5,-1,-1,-1\n3,7,0.5,1.5,2,4,1\n"


class PixelDetector:
    """Finds one box per frame, as wide as the frame's index; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def detect(self, batch):
        self.asked.append([frame.camera_id for frame in batch.frames])
        return [
            Detections(f.camera_id, f.captured_at, np.array([[0, 0, f.index, 1]], np.float32), np.ones(1, np.float32))
            for f in batch.frames
        ]


class PixelEmbedder:
    """Gives each crop a vector that says which camera and row it was cut from."""

    def __init__(self, dimension=2):
        self.asked = []
        self._dimension = dimension

    def embed(self, batch, crops):
        names = [frame.camera_id for frame in batch.frames]
        self.asked.append((names, crops.frame.tolist(), crops.row.tolist()))
        vectors = np.zeros((len(crops), self._dimension), np.float32)
        vectors[:, 0] = [ord(names[position]) for position in crops.frame]
        vectors[:, 1] = crops.row
        return Embeddings(vectors)


def recording(tmp_path, text=TEXT, vectors=None, name="det"):
    path = tmp_path / f"{name}.txt"
    path.write_text(text)
    if vectors is None:
        return read_recording(path)
    np.savez(tmp_path / f"{name}.npz", np.asarray(vectors))
    return read_recording(path, tmp_path / f"{name}.npz")


def frame(camera_id, index):
    return Frame(CameraId(camera_id), 100.0 + index, index, (640, 480), None)


def batch(*frames):
    return FrameBatch(max(f.captured_at for f in frames), tuple(frames))


def crops(*pairs):
    position, row = np.array(pairs, np.int64).reshape(-1, 2).T
    return Crops(position, row, np.zeros((len(pairs), 4), np.float32))


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace(",", " "),
        TEXT.replace(",", "\t"),
        TEXT.replace(",", " , "),
        "\n" + TEXT.replace("\n", "\n\n"),
        "\ufeff" + TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.rstrip("\n"),
    ],
    ids=["commas", "spaces", "tabs", "padded commas", "empty lines", "byte order mark", "CRLF", "no last newline"],
)
def test_lines_become_boxes(tmp_path, text):
    path = tmp_path / "det.txt"
    path.write_text(text, encoding="utf-8", newline="")
    read = read_recording(path)
    assert read.frame.tolist() == [1, 1, 3]
    assert read.xyxy.tolist() == [[10, 20, 40, 60], [50, 60, 60, 80], [0.5, 1.5, 2.5, 5.5]]
    assert read.confidence.tolist() == pytest.approx([0.9, 0.5, 1.0])
    assert (read.xyxy.dtype, read.confidence.dtype, read.frame.dtype) == (np.float32, np.float32, np.int64)
    assert (read.last_frame, len(read), read.embeddings) == (3, 3, None)


def test_nothing_is_filtered(tmp_path):
    read = recording(tmp_path, "1,-1,-50,-60,0,0,0\n1,-1,5000,6000,9,9,1\n1,-1,5000,6000,9,9,1\n")
    assert read.xyxy.tolist() == [[-50, -60, -50, -60], [5000, 6000, 5009, 6009], [5000, 6000, 5009, 6009]]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("5,-1,10,20,30,40", "has 6 columns, expected frame,id,left,top,width,height,confidence"),
        ("5,-1,10,20,wide,40,1", "width is 'wide', expected a number"),
        ("5,-1,10,,30,40,1", "top is '', expected a number"),
        ("5 -1 10 20 30 40 1", "has 1 columns, expected frame,id"),
        ("5,-1,nan,20,30,40,1", "holds NaN, infinity"),
        ("5,-1,10,20,30,inf,1", "holds NaN, infinity"),
        ("5,-1,10,20,1e300,40,1", "holds NaN, infinity or a number beyond 1e+15"),
        ("5.5,-1,10,20,30,40,1", "frame 5.5 is not a whole number"),
        ("0,-1,10,20,30,40,1", "frame 0, expected 1 or more"),
        ("1700000000,-1,10,20,30,40,1", "frame 1700000000 is too large for a frame number; is it a time stamp?"),
        ("3,-1,10,20,30,40,1", "detections out of order: frame 3 comes after frame 4; sort the file by frame"),
        ("5,-1,10,20,-30,40,1", "width -30 and height 40 must not be negative"),
        ("5,-1,10,20,30,40,-1", "confidence -1 is outside 0 to 1; rescale"),
        ("5,-1,10,20,30,40,87.5", "confidence 87.5 is outside 0 to 1; rescale"),
    ],
    ids=[
        "too few columns", "a word", "an empty cell", "another delimiter", "NaN", "infinity", "overflow",
        "half a frame", "frame zero", "time stamp", "out of order", "negative width", "no confidence", "percent",
    ],
)  # fmt: skip
def test_the_first_bad_line_is_named(tmp_path, line, problem):
    path = tmp_path / "det.txt"
    path.write_text(f"4,-1,1,2,3,4,0.5\n\n{line}\n9,-1,1,2,3,4,nan\n")
    with pytest.raises(ConfigError) as caught:
        read_recording(path)
    assert (caught.value.path, caught.value.key) == (path, "line 3")
    assert caught.value.problem.startswith(problem)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00"], ids=["empty", "blank lines", "not text"])
def test_a_file_without_lines_is_refused(tmp_path, content):
    path = tmp_path / "det.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"det\.txt: (holds no detections|cannot be read: not a UTF-8)"):
        read_recording(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_recording(tmp_path / "det.txt")
    recording(tmp_path)
    with pytest.raises(ConfigError, match=r"emb\.npz: cannot be read: No such file"):
        read_recording(tmp_path / "det.txt", tmp_path / "emb.npz")


def test_a_large_file_is_read_at_once(tmp_path):
    n = 20_000
    lines = [f"{i // 10 + 1},-1,{i % 7},2,3,4,0.5,-1,-1,-1" for i in range(n)]
    read = recording(tmp_path, "\n".join(lines))
    assert (len(read), read.last_frame) == (n, n // 10)
    assert read.xyxy[:, 0].tolist() == [i % 7 for i in range(n)]


def test_embeddings_become_unit_vectors_and_zeros_stay(tmp_path):
    read = recording(tmp_path, vectors=[[3, 4], [0, 0], [0, -2]])
    assert read.embeddings.tolist() == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0, -1]]))
    assert read.embeddings.dtype == np.float32


@pytest.mark.parametrize("name", ["embeddings", "emb", "arr_0"])
def test_embeddings_are_found_by_name_among_others(tmp_path, name):
    recording(tmp_path)
    np.savez(tmp_path / "e.npz", **{name: np.eye(3), "other": np.zeros(5)})
    assert read_recording(tmp_path / "det.txt", tmp_path / "e.npz").embeddings.tolist() == np.eye(3).tolist()


@pytest.mark.parametrize(
    ("arrays", "key", "problem"),
    [
        ({"emb": np.eye(4)}, "", "has 4 rows, but "),
        ({"emb": np.ones(3)}, "", "shape (3,) of float64, expected (N, D) numbers"),
        ({"emb": np.array([["a"], ["b"], ["c"]])}, "", "shape (3, 1) of <U1, expected (N, D) numbers"),
        ({"emb": np.array([[1.0], [np.nan], [np.nan]])}, "row 2", "holds NaN or infinity"),
        ({"x": np.eye(3), "y": np.eye(3)}, "", "holds x, y; expected one array, or one named embeddings or emb"),
        ({"emb": np.array([[None], [None], [None]])}, "", "cannot be read: not an .npz file of numbers"),
        ({}, "", "holds no named array; expected one array"),
    ],
    ids=["other length", "one axis", "words", "NaN", "two arrays", "objects", "none"],
)
def test_wrong_embeddings_are_refused(tmp_path, arrays, key, problem):
    recording(tmp_path)
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(ConfigError) as caught:
        read_recording(tmp_path / "det.txt", tmp_path / "e.npz")
    assert (caught.value.path, caught.value.key) == (tmp_path / "e.npz", key)
    assert caught.value.problem.startswith(problem)


@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda _: b"text", lambda d: d[: len(d) // 2]], ids=["empty", "text", "half"]
)
def test_a_damaged_archive_is_refused(tmp_path, damage):
    recording(tmp_path, vectors=np.eye(3))
    archive = tmp_path / "det.npz"
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(ConfigError, match=r"det\.npz: cannot be read: not an \.npz file"):
        read_recording(tmp_path / "det.txt", archive)


def test_the_source_gives_every_frame_up_to_the_last_without_pixels(tmp_path):
    source = DetectionsSource(CameraId("hall"), recording(tmp_path), (640, 480), fps=2.0, start_s=10.0)
    frames = [source.read() for _ in range(source.frame_count)]
    assert source.frame_count == 3
    assert [(f.index, f.captured_at, f.size, f.pixels) for f in frames] == [
        (0, 10.0, (640, 480), None),
        (1, 10.5, (640, 480), None),
        (2, 11.0, (640, 480), None),
    ]
    assert source.read() is None
    source.close()
    source.close()


@pytest.mark.parametrize(("index", "lefts"), [(0, [10, 50]), (1, []), (2, [0.5]), (3, []), (99, [])])
def test_the_detector_looks_up_the_rows_of_a_frame(tmp_path, index, lefts):
    (found,) = RecordedDetector({CameraId("a"): recording(tmp_path)}).detect(batch(frame("a", index)))
    assert (found.camera_id, found.captured_at) == ("a", 100.0 + index)
    assert found.xyxy[:, 0].tolist() == lefts
    assert found.xyxy.shape == (len(lefts), 4)


def test_frames_of_other_cameras_go_to_the_other_detector_in_one_call(tmp_path):
    pixels = PixelDetector()
    detector = RecordedDetector({CameraId("b"): recording(tmp_path)}, pixels)
    found = detector.detect(batch(frame("a", 5), frame("b", 0), frame("c", 6)))
    assert [(d.camera_id, d.xyxy[:, 2].tolist()) for d in found] == [("a", [5]), ("b", [40, 60]), ("c", [6])]
    detector.detect(batch(frame("b", 0)))
    assert pixels.asked == [["a", "c"]]


def test_frames_of_other_cameras_need_another_detector(tmp_path):
    with pytest.raises(ValueError, match="camera c has no recorded detections"):
        RecordedDetector({CameraId("b"): recording(tmp_path)}).detect(batch(frame("b", 0), frame("c", 6)))


def test_the_embedder_looks_up_rows_in_the_order_asked(tmp_path):
    vectors = np.eye(3)
    embedder = RecordedEmbedder({CameraId("a"): recording(tmp_path, vectors=vectors)})
    found = embedder.embed(batch(frame("a", 0)), crops((0, 1), (0, 0), (0, 1)))
    assert found.vectors.tolist() == vectors[[1, 0, 1]].tolist()
    assert embedder.embed(batch(frame("a", 2)), crops((0, 0))).vectors.tolist() == vectors[[2]].tolist()
    assert embedder.embed(batch(frame("a", 1)), crops()).vectors.shape == (0, 3)
    assert embedder.embed(FrameBatch(0.0, ()), crops()).vectors.shape == (0, 3)


def test_crops_of_other_cameras_go_to_the_other_embedder_in_one_call(tmp_path):
    pixels = PixelEmbedder()
    embedder = RecordedEmbedder(
        {
            CameraId("b"): recording(tmp_path, vectors=[[1, 0], [0, 1], [1, 0]], name="b"),
            CameraId("c"): recording(tmp_path, name="c"),
        },
        pixels,
    )
    frames = batch(frame("a", 0), frame("b", 0), frame("c", 0), frame("d", 0))
    found = embedder.embed(frames, crops((3, 8), (1, 1), (2, 0), (0, 9), (3, 7)))
    assert found.vectors.tolist() == [[ord("d"), 8], [0, 1], [0, 0], [ord("a"), 9], [ord("d"), 7]]
    embedder.embed(frames, crops((1, 1)))
    assert pixels.asked == [([], [], []), (["a", "d"], [1, 0, 1], [8, 9, 7])]


def test_crops_of_other_cameras_need_another_embedder(tmp_path):
    embedder = RecordedEmbedder({CameraId("b"): recording(tmp_path)})
    with pytest.raises(ValueError, match="camera a has no recorded detections"):
        embedder.embed(batch(frame("a", 0), frame("b", 0)), crops((0, 0)))


@pytest.mark.parametrize(
    ("fallback", "shape"), [(None, (2, 0)), (PixelEmbedder(5), (2, 5))], ids=["nobody knows", "the other embedder says"]
)
def test_without_recorded_embeddings_rows_are_zeros(tmp_path, fallback, shape):
    embedder = RecordedEmbedder({CameraId("a"): recording(tmp_path)}, fallback)
    found = embedder.embed(batch(frame("a", 0)), crops((0, 0), (0, 1)))
    assert found.vectors.shape == shape
    assert not found.vectors.any()


def test_dimensions_of_two_cameras_must_agree(tmp_path):
    a = recording(tmp_path, vectors=np.eye(3), name="a")
    b = recording(tmp_path, vectors=np.ones((3, 2)), name="b")
    with pytest.raises(ConfigError, match=r"b\.txt: its embeddings have 2 dimensions, those of .*a\.txt have 3"):
        RecordedEmbedder({CameraId("a"): a, CameraId("b"): b})


def test_dimensions_must_agree_with_the_other_embedder(tmp_path):
    a = recording(tmp_path, vectors=np.eye(3), name="a")
    with pytest.raises(ConfigError, match=r"a\.txt: its embeddings have 3 dimensions, the embedder .* gives 2"):
        RecordedEmbedder({CameraId("a"): a}, PixelEmbedder(2))


def test_frames_that_never_came_are_not_given(tmp_path):
    whole = recording(tmp_path)
    lost = whole.without([(1, 1), (3, 3)])
    source = DetectionsSource(CameraId("hall"), lost, (640, 480), fps=2.0, start_s=10.0)
    assert source.frame_count == whole.last_frame - 2
    frames = list(iter(source.read, None))
    assert [frame.index for frame in frames] == [k for k in range(whole.last_frame) if k not in (0, 2)]
    assert frames[0].captured_at == 10.5
