"""Finds people with a network that OpenVINO runs on the CPU. Knows nothing of time, tracks or the floor.

Three families of networks are told apart by their inputs and outputs:

    YOLOX   ONNX, [1,3,H,W] -> [1, cells of strides 8, 16 and 32, 5 + classes], not decoded; people are class 0
    SSD     OpenVINO IR, [1,3,H,W] -> [1,1,K,7] of image, label, confidence, box; people are label 1
    TF SSD  TensorFlow object detection graph with detection_boxes, _scores and _classes; people are class 1
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.domains.vocabulary import BoxArray, Detections, Frame, FrameBatch, IntArray
from app.errors import ModelError
from app.infrastructure.model_files import SIMULATED_DETECTOR, ModelFile
from app.infrastructure.openvino_network import (
    Image,
    OpenVINONetwork,
    Outputs,
    describe,
    one_image,
    read_network,
    take_bgr_pixels,
)
from app.infrastructure.openvino_quiet import opset13, ov
from app.infrastructure.regions import (
    DetectorConfig,
    RegionBoxes,
    Regions,
    TilingRule,
    join_regions,
    lay_regions,
    regions_of,
)

# of the one network that has another than its family: F1 on simulated people at 0.3, 0.45 and 0.6: .924, .943, .915
SURE = {SIMULATED_DETECTOR: 0.45}
YOLOX_STRIDES = (8, 16, 32)
LETTERBOX_GREY = 114  # YOLOX is trained with this padding, Megvii's YOLOX data_augment.py
TF_INPUT = (300, 300)  # its graph resizes whatever it gets to this


@dataclass(frozen=True, slots=True)
class Candidates:
    """Boxes as a network gives them, before suppression: N of them, over all images of a call.

    Attributes:
        image: (N,) int64, which image.
        xyxy: (N, 4) as shares of the network's input.
        confidence: (N,) in [0, 1].
    """

    image: IntArray
    xyxy: BoxArray
    confidence: BoxArray


@dataclass(frozen=True, slots=True)
class Family:
    """How one kind of network is fed and read."""

    name: str
    model: ov.Model  # takes (1, height, width, 3) uint8 BGR
    size: tuple[int, int]  # width and height of the input
    letterbox: bool  # keep the picture's aspect and pad below and to the right; else stretch it
    decode: Callable[[Outputs, float], Candidates]  # (outputs, lowest confidence)
    sure: float  # confidence of the best mean F1 of PETS09 and multiviewx_mini
    tiling: TilingRule


class OpenVINODetector:
    """Implements Detector. The same frame gives the same boxes, whatever frames are beside it.

    Args:
        weights: a .xml, .onnx or .pb file of one of the families above.
        config: score, suppression and tiles; None takes the defaults.

    Attributes:
        name: name of the weights.
        path: their file.
        sure: confidence above which most boxes are people; where a two-stage tracker's first stage may begin.

    Raises:
        ModelError: the file cannot be read or fits no family.
    """

    def __init__(self, weights: ModelFile, config: DetectorConfig | None = None) -> None:
        self.name = weights.name
        self.path = weights.path
        self.config = config or DetectorConfig()
        self._family = _recognise(read_network(weights.path), weights.path)
        self.sure = SURE.get(weights.name, self._family.sure)
        self._network = OpenVINONetwork(self._family.model, weights.path, share_one=True)

    def detect(self, batch: FrameBatch) -> list[Detections]:
        """Return the people of every frame, surest first. All regions of all frames are in the network together."""
        family = self._family
        regions = lay_regions(batch, family.size, self.config.tiles, family.tiling)
        outputs = self._network.infer(self._images(batch, regions), len(regions))
        found = family.decode(outputs, self.config.score)
        boxes = RegionBoxes(found.image, self._to_frame(found.xyxy, regions.xyxy[found.image]), found.confidence)
        return join_regions(batch, regions, boxes, self.config, family.tiling, suppressed=False)

    def regions(self, frame: Frame) -> IntArray:
        """Return the parts of a frame that the network sees, as `regions_of`."""
        return regions_of(frame, self._family.size, self.config.tiles, self._family.tiling)

    def _images(self, batch: FrameBatch, regions: Regions) -> Iterator[Image]:
        for (left, top, right, bottom), number in zip(regions.xyxy.tolist(), regions.frame.tolist(), strict=True):
            pixels = batch.frames[number].pixels
            if pixels is not None:
                yield _fit(
                    np.asarray(pixels)[top:bottom, left:right], self._family.size, letterbox=self._family.letterbox
                )

    def _to_frame(self, shares: BoxArray, region: IntArray) -> BoxArray:
        """Turn shares of the network's input into pixels of the frame, clipped to the region that was shown."""
        shown = (region[:, 2:] - region[:, :2]).astype(np.float32)
        if self._family.letterbox:
            network = np.array(self._family.size, np.float32)
            covered = network * (shown / network).max(axis=1, keepdims=True)
        else:
            covered = shown
        inside = np.clip(shares * np.tile(covered, 2), 0, np.tile(shown, 2))
        return np.asarray(inside + np.tile(region[:, :2], 2), np.float32)


def _fit(pixels: Image, size: tuple[int, int], *, letterbox: bool) -> Image:
    """Resize a region to the network's input. INTER_AREA would cost 0.65 ms more a tile for .003 of AP."""
    if not letterbox:
        return np.asarray(cv2.resize(pixels, size), np.uint8)
    height, width = pixels.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = np.full((size[1], size[0], 3), LETTERBOX_GREY, np.uint8)
    image[: inner[1], : inner[0]] = cv2.resize(pixels, inner)
    return image


def _recognise(model: ov.Model, path: Path) -> Family:
    """Tell the family of a network by its outputs.

    Raises:
        ModelError: it fits none; names what was found and what would fit.
    """
    names = {name.split(":")[0] for output in model.outputs for name in output.get_names()}
    if {"detection_boxes", "detection_scores", "detection_classes"} <= names:
        return _tf_ssd(model)
    shape = model.outputs[0].get_partial_shape()
    if len(model.inputs) == len(model.outputs) == 1 and len(shape) == 4 and shape[3] == 7:
        return _ssd(model, path)
    if len(model.inputs) == len(model.outputs) == 1 and len(shape) == 3:
        size = one_image(model, path)
        cells = sum((size[0] // stride) * (size[1] // stride) for stride in YOLOX_STRIDES)
        shape = model.outputs[0].get_partial_shape()
        if shape[1] == cells and shape[2].is_static and shape[2].get_length() > 5:
            return _yolox(model, size)
    raise ModelError(
        path,
        f"its shapes {describe(model)} fit no person detector known here: YOLOX [1,3,H,W] -> [1,cells,5+classes], "
        "SSD [1,3,H,W] -> [1,1,K,7], or a TensorFlow graph with detection_boxes, detection_scores, detection_classes",
    )


def _ssd(model: ov.Model, path: Path) -> Family:
    # F1 on PETS09 and multiviewx_mini, whole: .883, .659; in tiles of shrink 0.8: .933, .793 (37 images a 1080p frame);
    # 1.0: .820, .787; 1.2: .926, .822 (17); 1.5: .918, .806 (10); 1.8: .883, .800. At 1.2 with whole-frame boxes from
    # 0, .1, .2 of the height on: .930, .813; .926, .822; .910, .824.
    size = one_image(model, path)
    return Family("SSD", take_bgr_pixels(model), size, False, _decode_ssd, 0.45, TilingRule(1.5, 1.2, 0.1))


def _decode_ssd(outputs: Outputs, score: float) -> Candidates:
    rows = outputs[0][:, 0]  # (images, K, 7): image -1 marks the end of the list
    image, place = np.nonzero((rows[..., 2] >= score) & (rows[..., 1] == 1) & (rows[..., 0] >= 0))
    picked = rows[image, place]
    return Candidates(image, picked[:, 3:], picked[:, 2])


def _tf_ssd(model: ov.Model) -> Family:
    # F1 on PETS09 and multiviewx_mini, whole: .717, .275; in tiles of shrink 0.8: .891, .606 (61 images a 1080p frame);
    # 1.0: .864, .673 (41); 1.33: .822, .681 (25); 1.8: .810, .648 (16). At 1.0 with whole-frame boxes from 0, .1, .2 of
    # the height on: .821, .658; .831, .666; .864, .673.
    ends = [model.output(f"detection_{name}:0") for name in ("boxes", "scores", "classes")]
    needed = ov.Model([opset13.result(end.get_node().input_value(0)) for end in ends], model.get_parameters())
    needed.reshape([1, TF_INPUT[1], TF_INPUT[0], 3])
    pixels = take_bgr_pixels(needed, layout="NHWC", rgb=True)
    return Family("TF SSD", pixels, TF_INPUT, False, _decode_tf_ssd, 0.25, TilingRule(1.5, 1.0, 0.2))


def _decode_tf_ssd(outputs: Outputs, score: float) -> Candidates:
    boxes, confidence, label = outputs
    image, place = np.nonzero((confidence >= score) & (label == 1))
    top_left_first = boxes[image, place][:, [1, 0, 3, 2]]
    return Candidates(image, top_left_first, confidence[image, place])


def _yolox(model: ov.Model, size: tuple[int, int]) -> Family:
    # F1 on PETS09 and multiviewx_mini, whole: .910, .555; in tiles of shrink 1.0: .912, .790 (19 images a 1080p frame);
    # 1.2: .905, .781 (16); 1.5: .909, .758 (9); 1.9: .910, .748 (7). PETS09 shrinks by 1.85 and gains nothing from
    # tiles. At 1.2 with whole-frame boxes from 0, .1, .2 of the height on: .909, .781; .909, .781; .905, .781.
    person = opset13.slice(model.outputs[0].get_node().input_value(0), [0], [6], [1], [2])  # box, objectness, class 0
    model = ov.Model([opset13.result(person)], model.get_parameters())
    corner, stride = _yolox_cells(size)
    extent = np.array([*size, *size], np.float32)

    def decode(outputs: Outputs, score: float) -> Candidates:
        confidence = outputs[0][..., 4] * outputs[0][..., 5]
        image, cell = np.nonzero(confidence >= score)
        picked = outputs[0][image, cell]
        centre = (picked[:, :2] + corner[cell]) * stride[cell]
        half = np.exp(picked[:, 2:4]) * stride[cell] / 2
        xyxy = np.column_stack((centre - half, centre + half)) / extent
        return Candidates(image, xyxy.astype(np.float32), confidence[image, cell])

    return Family("YOLOX", take_bgr_pixels(model), size, True, decode, 0.6, TilingRule(2.0, 1.2, 0.1))


def _yolox_cells(size: tuple[int, int]) -> tuple[BoxArray, BoxArray]:
    """Return (cells, 2) the place of each output cell in its grid, and (cells, 1) the stride of that grid in pixels."""
    grids = [np.mgrid[0 : size[1] // stride, 0 : size[0] // stride] for stride in YOLOX_STRIDES]
    corner = np.concatenate([grid[::-1].reshape(2, -1).T for grid in grids]).astype(np.float32)
    stride = np.repeat(np.array(YOLOX_STRIDES, np.float32), [grid[0].size for grid in grids])[:, None]
    return corner, stride
