import json
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.domains.vocabulary import CameraId, Frame, FrameBatch
from app.errors import ModelError
from app.infrastructure.model_files import WHEEL_DETECTOR, ModelFile, find_model
from app.infrastructure.openvino_detector import OpenVINODetector
from app.infrastructure.openvino_quiet import opset13, ov
from app.infrastructure.regions import DetectorConfig
from app.infrastructure.tiling import Tiles

UNTILED = DetectorConfig(tiles=None)
ALL_NETWORKS = [
    pytest.param("person-detection-retail-0013", marks=pytest.mark.models),
    pytest.param("yolox_nano_416", marks=pytest.mark.models),
    WHEEL_DETECTOR,
]


def saved(folder: Path, output: np.ndarray, size: tuple[int, int], name: str = "made") -> ModelFile:
    """A network that answers `output` to every image of (width, height) `size`."""
    image = opset13.parameter([1, 3, size[1], size[0]], np.float32)
    model = ov.Model([opset13.result(opset13.constant(output.astype(np.float32)))], [image])
    ov.save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
    return ModelFile(name, folder / f"{name}.xml")


def ssd(folder: Path, rows: list[list[float]]) -> ModelFile:
    """An SSD of 100 x 50 px; rows of label, confidence, left, top, right, bottom."""
    table = np.full((1, 1, len(rows) + 1, 7), -1.0)
    table[0, 0, :-1, 0] = 0
    table[0, 0, :-1, 1:] = rows
    return saved(folder, table, (100, 50))


def frame(camera: str = "a", size: tuple[int, int] = (200, 100), *, pixels: bool = True) -> Frame:
    return Frame(CameraId(camera), 1.5, 0, size, np.zeros((size[1], size[0], 3), np.uint8) if pixels else None)


def batch(*frames: Frame) -> FrameBatch:
    return FrameBatch(1.5, frames)


def test_ssd_boxes_come_in_pixels_of_the_frame_surest_first(tmp_path):
    weights = ssd(tmp_path, [[1, 0.5, 0.1, 0.1, 0.2, 0.5], [1, 0.9, 0.5, 0.2, 0.75, 0.8]])
    (found,) = OpenVINODetector(weights, UNTILED).detect(batch(frame()))
    np.testing.assert_allclose(found.xyxy, [[100, 20, 150, 80], [20, 10, 40, 50]], rtol=1e-5)
    np.testing.assert_allclose(found.confidence, [0.9, 0.5], rtol=1e-5)
    assert (found.camera_id, found.captured_at) == ("a", 1.5)
    assert (found.xyxy.dtype, found.confidence.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize(
    ("row", "config"),
    [
        pytest.param([2, 0.9, 0.1, 0.1, 0.2, 0.5], DetectorConfig(), id="another label"),
        pytest.param([1, 0.09, 0.1, 0.1, 0.2, 0.5], DetectorConfig(), id="below the lowest score"),
        pytest.param([1, 0.5, 0.1, 0.1, 0.2, 0.5], DetectorConfig(score=0.6), id="below the site's score"),
        pytest.param([1, 0.9, 0.1, 0.1, 0.2, 0.5], DetectorConfig(min_height=41), id="too small"),
        pytest.param([1, 0.9, 1.1, 0.1, 1.2, 0.5], DetectorConfig(), id="outside the frame"),
        pytest.param([1, 0.9, 0.2, 0.1, 0.2, 0.5], DetectorConfig(), id="without width"),
    ],
)
def test_a_box_is_left_out(tmp_path, row, config):
    (found,) = OpenVINODetector(ssd(tmp_path, [row]), config).detect(batch(frame()))
    assert found.xyxy.shape == (0, 4)
    assert found.confidence.shape == (0,)


def test_boxes_are_clipped_to_the_frame(tmp_path):
    (found,) = OpenVINODetector(ssd(tmp_path, [[1, 0.9, -0.2, 0.5, 0.1, 1.3]]), UNTILED).detect(batch(frame()))
    np.testing.assert_allclose(found.xyxy, [[0, 50, 20, 100]], rtol=1e-5)


@pytest.mark.parametrize(
    ("nms_iou", "confidence"),
    [pytest.param(0.3, [0.8, 0.5], id="overlap above"), pytest.param(0.4, [0.8, 0.6, 0.5], id="overlap below")],
)
def test_of_two_boxes_that_overlap_too_much_the_surer_stays(tmp_path, nms_iou, confidence):
    rows = [[1, 0.6, 0.1, 0.1, 0.2, 0.5], [1, 0.8, 0.15, 0.1, 0.25, 0.5], [1, 0.5, 0.6, 0.1, 0.7, 0.5]]  # IoU 1/3
    (found,) = OpenVINODetector(ssd(tmp_path, rows), DetectorConfig(nms_iou=nms_iou, tiles=None)).detect(batch(frame()))
    np.testing.assert_allclose(found.confidence, confidence, rtol=1e-5)


def test_yolox_cells_are_decoded_and_the_letterbox_undone(tmp_path):
    cells = np.zeros((1, 16 + 4 + 1, 5 + 3))  # 32 x 32 px: grids of 4, 2 and 1 cells a side
    cells[0, 1 * 4 + 2] = [0.5, 0.25, np.log(1.0), np.log(2.0), 0.8, 0.5, 0.9, 0.9]  # column 2, row 1, stride 8
    cells[0, 16 + 3] = [0, 0, 0, 0, 0.9, 0.1, 0.9, 0.9]  # surely something, hardly a person
    detector = OpenVINODetector(saved(tmp_path, cells, (32, 32)), DetectorConfig(min_height=1))
    (found,) = detector.detect(batch(frame(size=(64, 32))))
    # centre (2.5, 1.25) * 8 = (20, 10), 8 wide and 16 high in the network; the frame was halved
    np.testing.assert_allclose(found.xyxy, [[32, 4, 48, 32]], rtol=1e-5)
    np.testing.assert_allclose(found.confidence, [0.4], rtol=1e-5)


def test_frames_without_pixels_and_without_people_keep_their_place(tmp_path):
    detector = OpenVINODetector(ssd(tmp_path, [[1, 0.9, 0.1, 0.1, 0.2, 0.5]]), UNTILED)
    found = detector.detect(batch(frame("a"), frame("b", pixels=False), frame("c", (50, 10)), frame("d", (400, 200))))
    assert [d.camera_id for d in found] == ["a", "b", "c", "d"]
    assert [len(d) for d in found] == [1, 0, 0, 1]
    np.testing.assert_allclose(found[3].xyxy, [[40, 20, 80, 100]], rtol=1e-5)


def test_an_empty_batch_gives_nothing(tmp_path):
    detector = OpenVINODetector(ssd(tmp_path, [[1, 0.9, 0.1, 0.1, 0.2, 0.5]]))
    assert detector.detect(batch()) == []
    assert len(detector.detect(batch(frame(pixels=False)))[0]) == 0


def test_every_tile_is_searched(tmp_path):
    weights = ssd(tmp_path, [[1, 0.9, 0.4, 0.4, 0.6, 0.6]])
    detector = OpenVINODetector(weights, DetectorConfig(tiles=Tiles(100, 0.0)))
    assert detector.regions(frame(size=(200, 100))).tolist() == [
        [0, 0, 200, 100],
        [0, 0, 100, 50],
        [100, 0, 200, 50],
        [0, 50, 100, 100],
        [100, 50, 200, 100],
    ]
    (found,) = detector.detect(batch(frame()))
    lefts_and_tops = sorted(np.round(found.xyxy[:, :2]).astype(int).tolist())
    assert lefts_and_tops == [[40, 20], [40, 70], [80, 40], [140, 20], [140, 70]]


def test_a_person_cut_by_a_seam_is_found_once(tmp_path):
    # Each region shows one box that ends at its right border. Of the two tiles of 100 px the left one's box ends at a
    # seam, and the box of the whole frame, 200 px, covers two thirds of it.
    weights = ssd(tmp_path, [[1, 0.9, 0.25, 0.05, 1.0, 0.95]])
    detector = OpenVINODetector(weights, DetectorConfig(tiles=Tiles(100, 0.0), nms_iou=0.6))
    (found,) = detector.detect(batch(frame(size=(200, 50))))
    assert sorted(found.xyxy.round().astype(int).tolist()) == [[50, 2, 200, 48], [125, 2, 200, 48]]


@pytest.mark.parametrize(
    ("size", "regions"),
    [
        pytest.param((100, 50), 1, id="as large as the network"),
        pytest.param((150, 75), 1, id="shrinks by 1.5"),
        pytest.param((160, 80), 1 + 4, id="shrinks by more"),
    ],
)
def test_automatic_tiles(tmp_path, size, regions):
    detector = OpenVINODetector(ssd(tmp_path, [[1, 0.9, 0.1, 0.1, 0.2, 0.5]]))
    assert len(detector.regions(frame(size=size))) == regions


def test_no_tiles_when_none_are_wanted(tmp_path):
    detector = OpenVINODetector(ssd(tmp_path, [[1, 0.9, 0.1, 0.1, 0.2, 0.5]]), DetectorConfig(tiles=None))
    assert detector.regions(frame(size=(1920, 1080))).tolist() == [[0, 0, 1920, 1080]]


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((1, 512), id="a vector"),
        pytest.param((1, 20, 85), id="YOLOX's rows, but too few for its strides"),
        pytest.param((1, 21, 5), id="YOLOX's rows without classes"),
        pytest.param((1, 1, 200, 6), id="six columns"),
    ],
)
def test_weights_that_fit_no_family_are_named_with_their_shapes(tmp_path, shape):
    weights = saved(tmp_path, np.zeros(shape), (32, 32))
    with pytest.raises(ModelError) as raised:
        OpenVINODetector(weights)
    message = str(raised.value)
    assert str(weights.path) in message
    assert f"[{','.join(map(str, shape))}]" in message
    assert "[1,1,K,7]" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.onnx", b"hello"),
        ("a.onnx", b""),
        ("a.pb", b"junk"),
        ("a.xml", b"junk"),
        ("a.xml", b"<net"),
        ("a.onnx", b"\x08\x07\x12"),
    ],
    ids=["text", "empty", "text graph", "no XML", "cut XML", "cut ONNX"],
)
def test_a_damaged_file_is_one_line(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    path.with_suffix(".bin").write_bytes(b"")
    with pytest.raises(ModelError) as raised:
        OpenVINODetector(ModelFile("a", path))
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def iou(a, b):
    shared = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = shared.clip(0).prod(axis=2)
    areas = [(x[:, 2:] - x[:, :2]).prod(axis=1) for x in (a, b)]
    return shared / (areas[0][:, None] + areas[1][None] - shared)


@pytest.fixture(scope="module")
def pets(data_dir):
    """Ten frames of PETS09, 40 apart, and the truth boxes of each."""
    video = cv2.VideoCapture(str(data_dir / "pets09_s2l1" / "vtest.avi"))
    tree = ET.parse(data_dir / "pets09_s2l1" / "PETS2009-S2L1_first400.xml")
    boxes = [
        np.array([[float(box.get(key)) for key in ("xc", "yc", "w", "h")] for box in element.iter("box")])
        for element in tree.getroot().iter("frame")
    ]
    frames, truth = [], []
    for index in range(361):
        _, pixels = video.read()
        if index % 40 == 0:
            frames.append(Frame(CameraId("pets"), index / 7, index, (768, 576), pixels))
            truth.append(
                np.hstack(
                    (boxes[index][:, :2] - boxes[index][:, 2:] / 2, boxes[index][:, :2] + boxes[index][:, 2:] / 2)
                )
            )
    return frames, truth


@pytest.mark.data
@pytest.mark.parametrize("name", ALL_NETWORKS)
def test_people_of_pets_are_found(name, pets, request):
    models_dir = None if name == WHEEL_DETECTOR else request.getfixturevalue("models_dir")
    detector = OpenVINODetector(find_model(name, models_dir))
    hits = found_count = people = 0
    for frame_, truth in zip(*pets, strict=True):
        (found,) = detector.detect(batch(frame_))
        assert (np.diff(found.confidence) <= 0).all()
        sure = found.xyxy[found.confidence >= detector.sure].astype(float)
        hits += int((iou(sure, truth).max(axis=0, initial=0) >= 0.5).sum())
        found_count += len(sure)
        people += len(truth)
    floor = 0.75 if name == WHEEL_DETECTOR else 0.85
    assert hits / people > floor
    assert hits / found_count > floor


@pytest.fixture(scope="module")
def plaza(data_dir):
    """Two synchronised 1080p frames of MultiviewX, and the truth boxes of each."""
    folder = data_dir / "multiviewx_mini"
    people = json.loads((folder / "annotations_positions" / "00001.json").read_text())
    frames, truth = [], []
    for view in (1, 2):
        pixels = cv2.imread(str(folder / "Image_subsets" / f"C{view}" / "0000.jpg"))
        frames.append(Frame(CameraId(f"C{view}"), 0.0, 0, (1920, 1080), pixels))
        seen = [person["views"][view - 1] for person in people if person["views"][view - 1]["xmin"] != -1]
        truth.append(np.array([[v[key] for key in ("xmin", "ymin", "xmax", "ymax")] for v in seen], float))
    return frames, truth


@pytest.mark.data
@pytest.mark.models
@pytest.mark.parametrize("name", ["person-detection-retail-0013", "yolox_nano_416"])
def test_tiles_find_small_people_the_same_way_in_any_order(name, plaza, models_dir):
    frames, truth = plaza
    detector = OpenVINODetector(find_model(name, models_dir))
    found = detector.detect(batch(*frames))
    for again in (detector.detect(batch(*frames)), detector.detect(batch(*reversed(frames)))[::-1]):
        for one, other in zip(found, again, strict=True):
            np.testing.assert_array_equal(one.xyxy, other.xyxy)
            np.testing.assert_array_equal(one.confidence, other.confidence)
    whole = OpenVINODetector(find_model(name, models_dir), DetectorConfig(tiles=None)).detect(batch(*frames))
    seen = [
        sum((iou(d.xyxy, t).max(axis=0, initial=0) >= 0.4).sum() for d, t in zip(ds, truth, strict=True))
        for ds in (found, whole)
    ]
    people = sum(map(len, truth))
    assert seen[0] / people > 0.75
    assert seen[0] > seen[1]
