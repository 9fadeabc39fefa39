"""Which parts of frames a detector's network sees, and how the boxes found there become each frame's people.

Knows neither pixels nor networks.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from app.domains.vocabulary import BoxArray, Detections, Frame, FrameBatch, IntArray
from app.infrastructure.tiling import Tiles, cut_at_seams, lay_tiles, remains_at_seams

# F1 on multiviewx_mini in tiles of shrink 1.5 at 0.35, 0.45, 0.5 and 0.6: person-detection-retail-0013 .806, .811,
# .810, .807, YOLOX-Nano .774, .774, .774, .768; PETS09 is the same from 0.3 to 0.55.
NMS_IOU = 0.45
# The lowest confidence that is output, for the second stage of a tracker; `sure` is where its first stage may begin.
# From 0.1 down to 0.05 the networks gain .005 (SSD, YOLOX) and .025 (TF SSD) of recall on PETS09, and double the boxes.
LOWEST_SCORE = 0.1


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


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """The parts of a batch's frames that a network sees, as parallel arrays of length R, ordered by frame.

    Attributes:
        xyxy: (R, 4) int64, pixels of the frame; of each frame the whole first, then its tiles, if any.
        frame: (R,) int64, position of the frame in the batch.
    """

    xyxy: IntArray
    frame: IntArray

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, slots=True, eq=False)
class RegionBoxes:
    """Boxes found in regions, as parallel arrays of length N.

    Attributes:
        region: (N,) int64, number of the region.
        xyxy: (N, 4) float32, pixels of the frame, inside of the region.
        confidence: (N,) float32.
    """

    region: IntArray
    xyxy: BoxArray
    confidence: BoxArray


def regions_of(
    frame: Frame, network: tuple[int, int], tiles: Tiles | Literal["auto"] | None, rule: TilingRule
) -> IntArray:
    """Choose the parts of one frame that a network sees.

    Args:
        frame: with or without pixels.
        network: width and height of the network's input.
        tiles: how to tile; "auto" by the rule, None not at all.
        rule: of the network's family.

    Returns:
        (R, 4) int64, pixels of the frame: the whole frame, then its tiles, if any; R = 0 where it has no pixels.
    """
    if frame.pixels is None:
        return np.zeros((0, 4), np.int64)
    whole = np.array([[0, 0, *frame.size]], np.int64)
    if tiles == "auto":
        shrinks = max(frame.size[0] / network[0], frame.size[1] / network[1])
        tiles = Tiles(round(max(network) * rule.shrink)) if shrinks > rule.above else None
    if tiles is None:
        return whole
    scale = tiles.size / max(network)  # tiles of the network's aspect: a stretched person is harder to find
    laid = lay_tiles(frame.size, (round(network[0] * scale), round(network[1] * scale)), tiles.overlap)
    return whole if len(laid) < 2 else np.concatenate((whole, laid))


def lay_regions(
    batch: FrameBatch, network: tuple[int, int], tiles: Tiles | Literal["auto"] | None, rule: TilingRule
) -> Regions:
    """Choose the parts of all frames of a batch that a network sees; arguments as `regions_of`."""
    layouts = [regions_of(frame, network, tiles, rule) for frame in batch.frames]
    frame = np.repeat(np.arange(len(layouts)), [len(layout) for layout in layouts])
    return Regions(np.concatenate([np.zeros((0, 4), np.int64), *layouts]), frame)


def join_regions(
    batch: FrameBatch,
    regions: Regions,
    found: RegionBoxes,
    config: DetectorConfig,
    rule: TilingRule,
    *,
    suppressed: bool,
) -> list[Detections]:
    """Return the people of every frame, surest first.

    Args:
        batch: the frames.
        regions: of the batch.
        found: what was found in them.
        config: suppression and least height.
        rule: of the network's family.
        suppressed: in each region, of boxes that overlap too much the surest alone is left already.
    """
    of_frame = regions.frame[found.region]
    results = []
    for number, frame in enumerate(batch.frames):
        rows = np.flatnonzero(of_frame == number)
        boxes = RegionBoxes(found.region[rows], found.xyxy[rows], found.confidence[rows])
        stay = _tall_enough(boxes, config)
        if (regions.frame == number).sum() > 1:
            stay = _join_tiles(stay, boxes, regions, config, rule)
        elif not suppressed:
            stay = _suppress(stay, boxes, np.zeros_like(boxes.region), config.nms_iou)
        stay = stay[np.argsort(-boxes.confidence[stay], kind="stable")]
        results.append(Detections(frame.camera_id, frame.captured_at, boxes.xyxy[stay], boxes.confidence[stay]))
    return results


def _tall_enough(boxes: RegionBoxes, config: DetectorConfig) -> IntArray:
    width, height = (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]).T
    return np.flatnonzero((height >= config.min_height) & (width > 0) & (height > 0))


def _join_tiles(
    rows: IntArray, boxes: RegionBoxes, regions: Regions, config: DetectorConfig, rule: TilingRule
) -> IntArray:
    """Return those of `rows` that stay of one frame's boxes, where it is seen whole and in tiles."""
    region = regions.xyxy[boxes.region]
    whole = regions.xyxy[regions.frame == regions.frame[boxes.region[0]]][0] if len(boxes.region) else np.zeros(4)
    height = boxes.xyxy[:, 3] - boxes.xyxy[:, 1]
    from_tile = (region[rows] != whole).any(axis=1)
    rows = rows[from_tile | (height[rows] >= rule.whole_frame_above * whole[3])]
    rows = _suppress(rows, boxes, boxes.region, config.nms_iou)  # in each region first: what follows is quadratic
    cut = cut_at_seams(boxes.xyxy[rows], region[rows], np.broadcast_to(whole[2:], (len(rows), 2)))
    rows = rows[~remains_at_seams(boxes.xyxy[rows], cut, boxes.region[rows])]
    return _suppress(rows, boxes, np.zeros_like(boxes.region), config.nms_iou)


def _suppress(rows: IntArray, boxes: RegionBoxes, group: IntArray, iou: float) -> IntArray:
    """Return those of `rows` that no surer box of their group overlaps too much, surest first."""
    if len(rows) == 0:
        return rows
    xywh = np.column_stack((boxes.xyxy[:, :2], boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]))[rows].tolist()
    kept = cv2.dnn.NMSBoxesBatched(xywh, boxes.confidence[rows].tolist(), group[rows].tolist(), 0.0, iou)
    return rows[np.asarray(kept, np.int64)]
