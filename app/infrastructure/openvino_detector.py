"""Finds people with a network that OpenVINO runs on the CPU. Knows nothing of time, tracks or the floor.

Three families of networks are told apart by their inputs and outputs:

    YOLOX   ONNX, [1,3,H,W] -> [1, cells of strides 8, 16 and 32, 5 + classes], not decoded; people are class 0
    SSD     OpenVINO IR, [1,3,H,W] -> [1,1,K,7] of image, label, confidence, box; people are label 1
    TF SSD  TensorFlow object detection graph with detection_boxes, _scores and _classes; people are class 1
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import openvino as ov
from openvino import opset13

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
from app.infrastructure.tiling import Tiles, cut_at_seams, lay_tiles, remains_at_seams

# F1 on multiviewx_mini in tiles of shrink 1.5 at 0.35, 0.45, 0.5 and 0.6: person-detection-retail-0013 .806, .811,
# .810, .807, YOLOX-Nano .774, .774, .774, .768; PETS09 is the same from 0.3 to 0.55.
NMS_IOU = 0.45
# The lowest confidence that is output, for the second stage of a tracker; `sure` is where its first stage may begin.
# From 0.1 down to 0.05 the networks gain .005 (SSD, YOLOX) and .025 (TF SSD) of recall on PETS09, and double the boxes.
LOWEST_SCORE = 0.1
# of the one network that has another than its family: F1 on simulated people at 0.3, 0.45 and 0.6: .924, .943, .915
SURE = {SIMULATED_DETECTOR: 0.45}
YOLOX_STRIDES = (8, 16, 32)
LETTERBOX_GREY = 114  # YOLOX is trained with this padding, Megvii's YOLOX data_augment.py
TF_INPUT = (300, 300)  # its graph resizes whatever it gets to this


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """What a site may change about a detector."""

    score: float = LOWEST_SCORE  # lowest confidence output
    nms_iou: float = NMS_IOU  # of two boxes that overlap more, the weaker is dropped
    min_height: float = 8.0  # pixels of the original frame
    tiles: Tiles | Literal["auto"] | None = "auto"  # auto: by the family's TilingRule


@dataclass(frozen=True, slots=True)
class TilingRule:
    """When and how a family's network needs tiles."""

    above: float  # tile frames that would shrink by more than this to fit the network
    shrink: float  # and then take tiles that shrink by this
    whole_frame_above: float  # from the whole frame, beside the tiles, only boxes of at least this share of its height


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
        layouts = [self.regions(frame) for frame in batch.frames]
        frame_of_region = np.repeat(np.arange(len(layouts)), [len(layout) for layout in layouts])
        regions = np.concatenate([np.zeros((0, 4), np.int64), *layouts])
        outputs = self._network.infer(self._images(batch, regions, frame_of_region), len(regions))
        found = self._family.decode(outputs, self.config.score)
        of_frame = frame_of_region[found.image]
        xyxy = self._to_frame(found.xyxy, regions[found.image])
        results = []
        for number, (frame, layout) in enumerate(zip(batch.frames, layouts, strict=True)):
            rows = np.flatnonzero(of_frame == number)
            rows = rows[self._merge(xyxy[rows], found.confidence[rows], found.image[rows], regions, layout)]
            results.append(Detections(frame.camera_id, frame.captured_at, xyxy[rows], found.confidence[rows]))
        return results

    def regions(self, frame: Frame) -> IntArray:
        """Return the parts of a frame that the network sees.

        Returns:
            (R, 4) int64, pixels of the frame: the whole frame, then its tiles, if any; R = 0 where it has no pixels.
        """
        if frame.pixels is None:
            return np.zeros((0, 4), np.int64)
        whole = np.array([[0, 0, *frame.size]], np.int64)
        tiles = self._tiles(frame.size)
        return whole if len(tiles) < 2 else np.concatenate((whole, tiles))

    def _tiles(self, frame: tuple[int, int]) -> IntArray:
        """Lay tiles of the network's aspect over a frame: a stretched person is harder to find."""
        network, tiles, rule = self._family.size, self.config.tiles, self._family.tiling
        if tiles == "auto":
            shrinks = max(frame[0] / network[0], frame[1] / network[1])
            tiles = Tiles(round(max(network) * rule.shrink)) if shrinks > rule.above else None
        if tiles is None:
            return np.zeros((0, 4), np.int64)
        scale = tiles.size / max(network)
        return lay_tiles(frame, (round(network[0] * scale), round(network[1] * scale)), tiles.overlap)

    def _images(self, batch: FrameBatch, regions: IntArray, frame_of_region: IntArray) -> Iterator[Image]:
        for (left, top, right, bottom), number in zip(regions.tolist(), frame_of_region.tolist(), strict=True):
            pixels = batch.frames[number].pixels
            if pixels is not None:
                yield _fit(pixels[top:bottom, left:right], self._family.size, letterbox=self._family.letterbox)

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

    def _merge(
        self, xyxy: BoxArray, confidence: BoxArray, image: IntArray, regions: IntArray, layout: IntArray
    ) -> IntArray:
        """Return the rows of one frame's boxes that stay, surest first."""
        width, height = (xyxy[:, 2:] - xyxy[:, :2]).T
        rows = np.flatnonzero((height >= self.config.min_height) & (width > 0) & (height > 0))
        if len(layout) > 1:
            whole = layout[0]
            from_tile = (regions[image[rows]] != whole).any(axis=1)
            rows = rows[from_tile | (height[rows] >= self._family.tiling.whole_frame_above * whole[3])]
            rows = self._suppress(rows, xyxy, confidence, image)  # in each region first: what follows is quadratic
            cut = cut_at_seams(xyxy[rows], regions[image[rows]], np.broadcast_to(whole[2:], (len(rows), 2)))
            rows = rows[~remains_at_seams(xyxy[rows], cut, image[rows])]
        return self._suppress(rows, xyxy, confidence, np.zeros_like(image))

    def _suppress(self, rows: IntArray, xyxy: BoxArray, confidence: BoxArray, group: IntArray) -> IntArray:
        """Return those of `rows` that no surer box of their group overlaps too much, surest first."""
        if len(rows) == 0:
            return rows
        xywh = np.column_stack((xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]))[rows].tolist()
        kept = cv2.dnn.NMSBoxesBatched(xywh, confidence[rows].tolist(), group[rows].tolist(), 0.0, self.config.nms_iou)
        return rows[np.asarray(kept, np.int64)]


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
