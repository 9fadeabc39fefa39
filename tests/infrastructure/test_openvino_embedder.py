import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.domains.vocabulary import CameraId, Crops, Frame, FrameBatch
from app.errors import ModelError
from app.infrastructure.hsv_embedder import HsvEmbedder
from app.infrastructure.model_files import ModelFile, find_model
from app.infrastructure.openvino_embedder import OpenVINOEmbedder
from app.infrastructure.openvino_quiet import opset13, ov

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)


def mean_colour_network(folder: Path, output: tuple[int, ...] = (1, 3)) -> ModelFile:
    """A network that answers the mean of each channel."""
    image = opset13.parameter([1, 3, 8, 4], np.float32)
    mean = opset13.reshape(opset13.reduce_mean(image, [2, 3]), list(output), False)
    ov.save_model(ov.Model([opset13.result(mean)], [image]), folder / "colour.xml")
    return ModelFile("colour", folder / "colour.xml")


def frame(colour: tuple[int, int, int], camera: str = "a") -> Frame:
    return Frame(CameraId(camera), 0.0, 0, (60, 40), np.full((40, 60, 3), colour, np.uint8))


def crops(*rows: tuple[int, float, float, float, float]) -> Crops:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Crops(table[:, 0].astype(np.int64), np.arange(len(table)), table[:, 1:])


@pytest.mark.parametrize("output", [(1, 3), (1, 3, 1, 1)], ids=["[1,D]", "[1,D,1,1]"])
def test_vectors_are_of_length_one_in_the_order_of_the_crops(tmp_path, output):
    embedder = OpenVINOEmbedder(mean_colour_network(tmp_path, output))
    batch = FrameBatch(0.0, (frame(RED, "a"), frame(BLUE, "b"), frame((0, 120, 160), "c")))
    found = embedder.embed(batch, crops((1, 0, 0, 10, 20), (0, 0, 0, 10, 20), (2, 5, 5, 10, 20), (1, 0, 0, 60, 40)))
    np.testing.assert_allclose(found.vectors, [[1, 0, 0], [0, 0, 1], [0, 0.6, 0.8], [1, 0, 0]], atol=0.01)
    assert (embedder.dimension, found.vectors.dtype) == (3, np.float32)


def test_the_crop_is_what_is_inside_the_frame(tmp_path):
    half = frame(RED)
    half.pixels[:, 30:] = GREEN
    found = OpenVINOEmbedder(mean_colour_network(tmp_path)).embed(
        FrameBatch(0.0, (half,)), crops((0, -500, -10, 30, 90), (0, 30, 0, 900, 40))
    )
    np.testing.assert_allclose(found.vectors, [[0, 0, 1], [0, 1, 0]], atol=0.01)


EMPTY = [
    pytest.param((0, 10, 10, 10, 30), id="no width"),
    pytest.param((0, 10, 30, 20, 10), id="upside down"),
    pytest.param((0, 70, 0, 90, 20), id="outside the frame"),
    pytest.param((0, 10.1, 10, 10.2, 30), id="thinner than a pixel"),
    pytest.param((0, np.nan, 10, 20, 30), id="not a number"),
    pytest.param((1, 0, 0, 10, 20), id="frame without pixels"),
]


@pytest.fixture(params=["network", "hsv"])
def embedder(request, tmp_path):
    return HsvEmbedder() if request.param == "hsv" else OpenVINOEmbedder(mean_colour_network(tmp_path))


@pytest.mark.parametrize("row", EMPTY)
def test_a_crop_without_pixels_gives_zeros(embedder, row):
    batch = FrameBatch(0.0, (frame(RED), Frame(CameraId("b"), 0.0, 0, (60, 40), None)))
    vectors = embedder.embed(batch, crops(row, (0, 0, 0, 20, 30))).vectors
    assert not vectors[0].any()
    assert np.linalg.norm(vectors[1]) == pytest.approx(1)


def test_no_crops_give_no_rows(embedder):
    assert embedder.embed(FrameBatch(0.0, (frame(RED),)), crops()).vectors.shape == (0, embedder.dimension)
    assert embedder.embed(FrameBatch(0.0, ()), crops()).vectors.shape == (0, embedder.dimension)


@pytest.mark.models
@pytest.mark.parametrize("name", ["person-detection-retail-0013", "yolox_nano_416"])
def test_a_detector_is_no_embedder(name, models_dir):
    weights = find_model(name, models_dir)
    with pytest.raises(ModelError, match=r"fit no ReID network; expected \[N,3,H,W\] -> \[N,D\]") as raised:
        OpenVINOEmbedder(weights)
    assert str(weights.path) in str(raised.value)


@pytest.fixture(scope="module")
def people(data_dir):
    """The six views of one instant of MultiviewX, a crop of each person in each view, and who it is."""
    folder = data_dir / "multiviewx_mini"
    frames = tuple(
        Frame(CameraId(f"C{view}"), 0.0, 0, (1920, 1080), cv2.imread(str(folder / f"Image_subsets/C{view}/0000.jpg")))
        for view in range(1, 7)
    )
    rows, who = [], []
    for person in json.loads((folder / "annotations_positions" / "00001.json").read_text()):
        for box in person["views"]:
            if box["xmin"] != -1:
                rows.append((box["viewNum"], box["xmin"], box["ymin"], box["xmax"], box["ymax"]))
                who.append(person["personID"])
    return FrameBatch(0.0, frames), crops(*rows), np.array(who)


def area_under_roc(vectors, crops, who):
    """Chance that a person looks more like themselves in another camera than like somebody else there."""
    pairs = np.triu(crops.frame[:, None] != crops.frame, 1)
    cosine, same = (vectors @ vectors.T)[pairs], (who[:, None] == who)[pairs]
    order = np.sort(cosine[~same])
    return np.searchsorted(order, cosine[same]).mean() / len(order)


@pytest.mark.data
@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "dimension"), [("person-reidentification-retail-0287", 256), ("osnet_x0_25_msmt17", 512)]
)
def test_networks_tell_people_apart_across_cameras(name, dimension, people, models_dir):
    batch, boxes, who = people
    embedder = OpenVINOEmbedder(find_model(name, models_dir))
    vectors = embedder.embed(batch, boxes).vectors
    assert vectors.shape == (len(boxes), dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert area_under_roc(vectors, boxes, who) > 0.76
    backwards = Crops(boxes.frame[::-1], boxes.row[::-1], boxes.xyxy[::-1])
    np.testing.assert_array_equal(embedder.embed(batch, backwards).vectors[::-1], vectors)


@pytest.mark.data
def test_colours_tell_people_apart_across_cameras(people):
    batch, boxes, who = people
    assert area_under_roc(HsvEmbedder().embed(batch, boxes).vectors, boxes, who) > 0.7
